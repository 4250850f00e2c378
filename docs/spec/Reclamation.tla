---------------------------- MODULE Reclamation ----------------------------
(***************************************************************************)
(* Deletion of one block without trusting a clock: the core rules of       *)
(* reclamation.md for one hash, with Remove and the loss of    *)
(* single files.  There is no clock in it at all.                          *)
(*                                                                         *)
(* Messages are sets that only grow, so every message may be delayed,      *)
(* reordered, duplicated or lost, and a deposed leader may send again      *)
(* whatever an old prefix of the log allowed.  Commands carry the facts    *)
(* they were decided on; the actions that apply them check those again.    *)
(*                                                                         *)
(* Without names rules to leave out.  With Without = {} the invariants     *)
(* hold; with any rule left out TLC finds a counterexample (README.md).    *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, TLC

CONSTANTS
    Nodes,        \* the blockservers
    Q,            \* write quorum
    R,            \* redundancy, Q <= R
    MaxVersion,   \* bound on the versions that raise a floor
    MaxRefs,      \* bound on the references
    MaxLosses,    \* files that may be lost by their disks
    MaxRemovals,  \* nodes that an operator may remove
    Without       \* names of rules to leave out

VARIABLES
    ver,          \* the last version given out by the log
    phase,        \* "none", "live", "unref", "cond"
    refs,
    floor,
    copies,       \* node -> counted version, 0 where not counted
    drops,        \* node -> version of the drop, 0 where none
    pending,      \* nodes that have not acknowledged the condemnation
    wmark,        \* W, the reap watermark
    members,
    disk,         \* node -> version of its file, 0 where there is none
    claims,       \* <<n, u>>: acknowledgements ever sent
    orders,       \* <<n, t>>: delete orders ever sent
    acks,         \* <<n, t>>: delete acknowledgements ever sent
    lostSaid,     \* <<n, u>>: Lost reports ever sent
    damaged,      \* nodes whose disk lost the file and have not reported it
    losses,
    removals

meta  == <<phase, refs, floor, copies, drops, pending, wmark>>
net   == <<claims, orders, acks, lostSaid>>
fault == <<damaged, losses, removals>>
vars  == <<ver, meta, members, disk, net, fault>>

Out(rule) == rule \in Without
None      == [n \in Nodes |-> 0]
Max(a, b) == IF a < b THEN b ELSE a

Fl       == IF phase = "none" THEN wmark ELSE floor
IsMember(n)    == Out("membership") \/ n \in members
Believed(n, u) == IsMember(n) /\ (Out("floor-check") \/ u >= Fl)
TrustedIn(c)   == {n \in Nodes : c[n] > 0 /\ IsMember(n)}

Symmetric == Permutations(Nodes)

Init ==
    /\ ver = 1 /\ phase = "none" /\ refs = 0 /\ floor = 0
    /\ copies = None /\ drops = None /\ pending = {} /\ wmark = 0
    /\ members = Nodes /\ disk = None
    /\ claims = {} /\ orders = {} /\ acks = {} /\ lostSaid = {}
    /\ damaged = {} /\ losses = 0 /\ removals = 0

\* Versions are only ever compared with floors and W, so the model gives out a new
\* one only to the entries that raise a floor; the others share the present one.
Raise == ver < MaxVersion /\ ver' = ver + 1
Same  == UNCHANGED ver

---------------------------------------------------------------------------
\* Blockservers.

\* A client stores or touches at the version of any replica's applied state. A
\* copy order, however old, is the same step: its bytes come from another node.
Store(n, u) ==
    /\ u \in 1..ver
    /\ disk' = [disk EXCEPT ![n] = IF Out("max-version") THEN u ELSE Max(@, u)]
    /\ claims' = claims \cup {<<n, disk'[n]>>}
    /\ UNCHANGED <<ver, meta, members, orders, acks, lostSaid, fault>>

\* Asked about a copy that it claimed, a node without a good file says Lost. It
\* may be asked at once, so the reports are in the net from the moment on.
ClaimsOf(n) == {c \in claims : c[1] = n}

Delete(n, t) ==
    /\ <<n, t>> \in orders
    /\ LET gone == disk[n] > 0 /\ (disk[n] < t \/ (Out("below") /\ disk[n] = t))
           kept == disk[n] > 0 /\ ~gone
       IN /\ disk' = [disk EXCEPT ![n] = IF gone THEN 0 ELSE @]
          /\ claims' = IF kept THEN claims \cup {<<n, disk[n]>>} ELSE claims
          /\ lostSaid' = IF gone THEN lostSaid \cup ClaimsOf(n) ELSE lostSaid
    /\ acks' = acks \cup {<<n, t>>}
    /\ UNCHANGED <<ver, meta, members, orders, fault>>

LoseFile(n) ==
    /\ losses < MaxLosses /\ disk[n] > 0
    /\ disk' = [disk EXCEPT ![n] = 0]
    /\ damaged' = damaged \cup {n} /\ losses' = losses + 1
    /\ lostSaid' = lostSaid \cup ClaimsOf(n)
    /\ UNCHANGED <<ver, meta, members, claims, orders, acks, removals>>

---------------------------------------------------------------------------
\* The metadata state machine. Delete orders follow from its state: whoever has
\* applied an entry may send them from then on, a deposed leader for ever, so
\* they are in the net with the entry that allows them and arrive at will.

OrdersAt(S, t) == {<<n, t>> : n \in S}

\* B maps the nodes of S to one believed claim each.
CommitWith(S, B) ==
    LET merged == [n \in Nodes |-> IF n \in S THEN Max(copies[n], B[n]) ELSE copies[n]]
        fresh  == [n \in Nodes |-> IF n \in S THEN B[n] ELSE 0]
    IN  CASE phase \in {"live", "unref"} ->
               /\ Out("quorum-on-live") \/ Cardinality(TrustedIn(merged)) >= Q
               /\ refs < MaxRefs /\ refs' = refs + 1 /\ phase' = "live"
               /\ copies' = merged
               /\ UNCHANGED <<floor, drops, pending>>
          [] phase = "cond" ->
               /\ Cardinality(S) >= Q
               /\ refs' = 1 /\ phase' = "live" /\ copies' = fresh
               /\ drops' = [n \in Nodes |-> IF n \in pending \ S
                                            THEN (IF Out("own-t") THEN ver + 1 ELSE floor)
                                            ELSE 0]
               /\ pending' = {}
               /\ UNCHANGED floor
          [] phase = "none" ->
               /\ Cardinality(S) >= Q
               /\ refs' = 1 /\ phase' = "live" /\ copies' = fresh
               /\ floor' = (IF Out("row-floor") THEN 0 ELSE wmark)
               /\ drops' = None
               /\ UNCHANGED pending

Commit ==
    \E S \in SUBSET Nodes : \E B \in [S -> 1..ver] :
        /\ \A n \in S : <<n, B[n]>> \in claims /\ Believed(n, B[n])
        /\ CommitWith(S, B)
        /\ orders' = orders \cup (IF Out("own-t") /\ phase = "cond"
                                  THEN OrdersAt(pending \ S, ver + 1) ELSE {})
        /\ Same
        /\ UNCHANGED <<wmark, members, disk, claims, acks, lostSaid, fault>>

\* Entries of other blocks take versions too.
Other == Raise /\ UNCHANGED <<meta, members, disk, net, fault>>

Unreference ==
    /\ refs > 0 /\ refs' = refs - 1
    /\ phase' = IF refs = 1 THEN "unref" ELSE phase
    /\ orders' = orders \cup (IF Out("after-condemn") /\ refs = 1
                              THEN OrdersAt(Nodes, ver + 1) ELSE {})
    /\ Same
    /\ UNCHANGED <<floor, copies, drops, pending, wmark, members, disk, claims, acks, lostSaid, fault>>

Condemn ==
    /\ phase = "unref" /\ phase' = "cond"
    /\ floor' = ver + 1
    /\ pending' = {n \in Nodes : copies[n] > 0 \/ drops[n] > 0}
    /\ copies' = None /\ drops' = None
    /\ orders' = orders \cup OrdersAt(Nodes, ver + 1)
    /\ Raise
    /\ UNCHANGED <<refs, wmark, members, disk, claims, acks, lostSaid, fault>>

Drop(n) ==
    /\ phase = "live" /\ n \in members
    /\ Cardinality(TrustedIn(copies) \ {n}) >= (IF Out("drop-guard") THEN 0 ELSE R)
    /\ floor' = ver + 1
    /\ copies' = [copies EXCEPT ![n] = 0]
    /\ drops' = [drops EXCEPT ![n] = ver + 1]
    /\ orders' = orders \cup {<<n, ver + 1>>}
    /\ Raise
    /\ UNCHANGED <<phase, refs, pending, wmark, members, disk, claims, acks, lostSaid, fault>>

Deleted(n, t) ==
    /\ <<n, t>> \in acks
    /\ \/ phase = "cond" /\ floor = t /\ n \in pending
       \/ drops[n] = t
    /\ pending' = IF phase = "cond" /\ floor = t THEN pending \ {n} ELSE pending
    /\ drops' = IF drops[n] = t THEN [drops EXCEPT ![n] = 0] ELSE drops
    /\ Same
    /\ UNCHANGED <<phase, refs, floor, copies, wmark, members, disk, net, fault>>

\* T is the present version or lower; the two ends of that range do.
Reap(T) ==
    /\ T \in {floor, ver}
    /\ LET goes == phase = "cond" /\ floor <= T /\ pending \cap members = {}
       IN /\ goes \/ T > wmark
          /\ phase' = IF goes THEN "none" ELSE phase
          /\ floor' = IF goes THEN 0 ELSE floor
          /\ pending' = IF goes THEN {} ELSE pending
    /\ wmark' = IF Out("watermark") THEN wmark
                ELSE IF Out("max-watermark") THEN T ELSE Max(wmark, T)
    /\ orders' = orders \cup (IF phase' = "none" THEN OrdersAt(Nodes, wmark') ELSE {})
    /\ Same
    /\ UNCHANGED <<refs, copies, drops, members, disk, claims, acks, lostSaid, fault>>

Copied(n, u) ==
    /\ <<n, u>> \in claims /\ phase \in {"live", "unref"}
    /\ IsMember(n) /\ (Out("copied-floor") \/ Believed(n, u))
    /\ u > copies[n]
    /\ copies' = [copies EXCEPT ![n] = u]
    /\ Same
    /\ UNCHANGED <<phase, refs, floor, drops, pending, wmark, members, disk, net, fault>>

Lost(n, u) ==
    /\ <<n, u>> \in lostSaid
    /\ IF Out("lost-names-version") THEN copies[n] > 0 ELSE copies[n] = u
    /\ copies' = [copies EXCEPT ![n] = 0]
    /\ floor' = IF Out("lost-raises-floor") THEN floor ELSE ver + 1
    /\ damaged' = damaged \ {n}
    /\ Raise
    /\ UNCHANGED <<phase, refs, drops, pending, wmark, members, disk, net, losses, removals>>

Remove(n) ==
    /\ removals < MaxRemovals /\ n \in members
    /\ refs = 0 \/ Cardinality(TrustedIn(copies) \ {n}) >= Q
    /\ members' = members \ {n} /\ removals' = removals + 1
    /\ Same
    /\ UNCHANGED <<meta, disk, net, damaged, losses>>

Next ==
    \/ Commit \/ Unreference \/ Condemn \/ Other
    \/ \E T \in 1..MaxVersion : Reap(T)
    \/ \E n \in Nodes : Drop(n) \/ Remove(n) \/ LoseFile(n)
    \/ \E n \in Nodes, v \in 1..MaxVersion :
          \/ Store(n, v) \/ Delete(n, v)
          \/ Deleted(n, v) \/ Copied(n, v) \/ Lost(n, v)

Spec == Init /\ [][Next]_vars

---------------------------------------------------------------------------
\* What must always hold.

\* Counted copies exist: on a member, good bytes at the counted version or
\* above, as long as its disk did not lose them.
CountedCopiesExist ==
    \A n \in members \ damaged : copies[n] > 0 => disk[n] >= copies[n]

\* Live data survives: referenced means a quorum of members that hold it.
LiveDataSurvives ==
    (refs > 0 /\ losses = 0) =>
        Cardinality({n \in members : copies[n] > 0 /\ disk[n] >= copies[n]}) >= Q

\* Why it holds (reclamation.md): no order ever made can remove a counted copy.
NoOrderHitsCounted ==
    \A n \in members \ damaged : \A t \in 1..MaxVersion :
        (copies[n] > 0 /\ <<n, t>> \in orders) => ~(disk[n] < t)

PhasesConsistent ==
    /\ (refs > 0) <=> (phase = "live")
    /\ phase = "cond" => copies = None /\ drops = None
    /\ phase = "none" => copies = None /\ pending = {}
    /\ pending # {} => phase = "cond"

\* fl(h) and W never fall.
FloorNeverFalls == [][Fl' >= Fl /\ wmark' >= wmark]_vars
============================================================================
