------------------------------ MODULE Register ------------------------------
(***************************************************************************)
(* A disk that is put back to an older image gives itself away: rules      *)
(* Register and Suspect of reclamation.md, for one block on    *)
(* one node whose disk an operator may snapshot and roll back.             *)
(*                                                                         *)
(* Claims carry the node's incarnation and the disk's acknowledgement      *)
(* count, which is durable before the claim is sent.  They may be applied  *)
(* late, twice or never.                                                   *)
(***************************************************************************)
EXTENDS Naturals

CONSTANTS MaxVersion, MaxStarts, MaxRollbacks, Without

VARIABLES
    ver,          \* last version given out
    copy,         \* counted version, 0 where not counted
    inc,          \* the node's incarnation in the metadata
    acked,        \* highest acknowledgement count applied
    suspect,      \* version of the entry that asked for an inventory, 0 if none
    disk, count,  \* the file's version (0 absent) and the durable count
    image,        \* the disk's snapshot: <<disk, count>>
    running,      \* the incarnation that the node believes in, 0 before Register
    claims,       \* <<incarnation, u, count>>
    starts, rollbacks

vars == <<ver, copy, inc, acked, suspect, disk, count, image, running, claims, starts, rollbacks>>

Out(rule) == rule \in Without
Max(a, b) == IF a < b THEN b ELSE a

Init ==
    /\ ver = 1 /\ copy = 0 /\ inc = 1 /\ acked = 0 /\ suspect = 0
    /\ disk = 0 /\ count = 0 /\ image = <<0, 0>> /\ running = 1
    /\ claims = {} /\ starts = 0 /\ rollbacks = 0

\* A store or touch: durable bytes, then the durable count, then the claim.
\* Without ack-after-register a node that restarted speaks for its last
\* incarnation until it knows better.
Store(u) ==
    /\ running > 0 \/ Out("ack-after-register")
    /\ disk' = Max(disk, u) /\ count' = count + 1
    /\ count < MaxVersion + 1
    /\ claims' = claims \cup {<<IF running > 0 THEN running ELSE inc + 1, disk', count'>>}
    /\ UNCHANGED <<ver, copy, inc, acked, suspect, image, running, starts, rollbacks>>

Snapshot ==
    /\ image' = <<disk, count>> /\ image' # image
    /\ UNCHANGED <<ver, copy, inc, acked, suspect, disk, count, running, claims, starts, rollbacks>>

\* The node stops; with back, its disk comes back as the image.
Stop(back) ==
    /\ starts < MaxStarts /\ running > 0
    /\ back => rollbacks < MaxRollbacks
    /\ rollbacks' = IF back THEN rollbacks + 1 ELSE rollbacks
    /\ disk' = IF back THEN image[1] ELSE disk
    /\ count' = IF back THEN image[2] ELSE count
    /\ running' = 0 /\ starts' = starts + 1
    /\ UNCHANGED <<ver, copy, inc, acked, suspect, image, claims>>

\* The entry is judged with the count that the disk showed at this start.
Register ==
    /\ running = 0 /\ ver < MaxVersion
    /\ ver' = ver + 1
    /\ inc' = IF Out("incarnation") THEN inc ELSE inc + 1
    /\ running' = inc'
    /\ suspect' = IF count < acked /\ ~Out("counts") THEN ver + 1 ELSE suspect
    /\ acked' = IF count < acked THEN count ELSE acked
    /\ UNCHANGED <<copy, disk, count, image, claims, starts, rollbacks>>

\* Commit or Copied with a believed claim.
Count(c) ==
    /\ c[1] = inc
    /\ copy' = Max(copy, c[2]) /\ acked' = Max(acked, c[3])
    /\ UNCHANGED <<ver, inc, suspect, disk, count, image, running, claims, starts, rollbacks>>

\* The inventory of a registered node, and Lost where it lacks what is counted.
Inventory ==
    /\ suspect > 0 /\ running = inc
    /\ copy' = IF disk < copy THEN 0 ELSE copy
    /\ suspect' = 0
    /\ UNCHANGED <<ver, inc, acked, disk, count, image, running, claims, starts, rollbacks>>

Other == ver < MaxVersion /\ ver' = ver + 1 /\
    UNCHANGED <<copy, inc, acked, suspect, disk, count, image, running, claims, starts, rollbacks>>

Next ==
    \/ Snapshot \/ Register \/ Inventory \/ Other
    \/ \E back \in BOOLEAN : Stop(back)
    \/ \E u \in 1..ver : Store(u)
    \/ \E c \in claims : Count(c)

Spec == Init /\ [][Next]_vars

\* A trusted copy of a node that has registered since its last start is there.
TrustedCopyExists ==
    (running = inc /\ running > 0 /\ copy > 0 /\ ~(suspect > 0 /\ copy < suspect)) => disk >= copy
=============================================================================
