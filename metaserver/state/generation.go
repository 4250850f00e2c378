package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func checkStartGeneration(q *record.StartGeneration) error {
	if q.PausedClasses>>pausedEnd != 0 {
		return protocol.Errorf(protocol.InvalidArgument, "paused classes are bits below %d", pausedEnd)
	}
	return protocol.CheckGeneration(q.Generation)
}

// startGeneration is the first entry after a restore of metadata (reclamation.md,
// Generation): versions go on in a higher generation, F is its first one, so that
// no claim of before is believed, and every member's inventory is due, so that no
// copy of before is trusted until its node has met the generation and shown what
// it holds. It pauses what the entry names, as a change of the settings at its
// version, so that nothing is taken away by what the restored state had begun before
// an operator has looked.
func (a *applier) startGeneration(q *record.StartGeneration) *record.Result {
	highest := HighestGeneration(a.cluster)
	if q.Generation <= highest {
		return a.refuse(protocol.PreconditionFailed, "generation %d was met already; start one above %d", q.Generation, highest)
	}
	// A node that shows the last one, with any version of it, would end the cluster if
	// that had been started.
	if last := max(highest, protocol.MaxMetGeneration) + protocol.MaxGenerationStep; q.Generation > last {
		return a.refuse(protocol.PreconditionFailed, "generation %d is too near to the last that there can be; start one from %d to %d. A blockserver that has met a higher one is damaged or false: stop it first", q.Generation, highest+1, last)
	}
	a.cluster.Generation, a.cluster.Counter = q.Generation, 0
	first := toPB(a.next())
	if a.m.holds(GenerationFloor) {
		a.cluster.First = first
	}
	a.cluster.Met = nil
	if q.PausedClasses != 0 {
		a.cluster.Settings = plainSettings(a.cluster.Settings)
		a.cluster.Settings.PausedClasses |= q.PausedClasses
		a.cluster.SettingsVersion = first
	}
	for i, n := range a.m.nodes {
		if isMember(n) {
			n.InventoryDue = first
			a.touchNode(uint32(i + 1))
		}
	}
	a.cluster.Suspects = suspects(a.m.nodes)
	a.audit(&pb.AuditRow{Kind: pb.AuditKind_AUDIT_KIND_GENERATION, Upto: first})
	return a.done()
}

// meet takes down that a node shows a version that this metadata never gave out:
// it was rolled back. From this entry on it serves nothing until a generation is
// started. An entry that comes after is judged by every replica alike.
func (a *applier) meet(seen protocol.Version) *record.Result {
	a.cluster.Met = toPB(fromPB(a.cluster.Met).Max(seen))
	return a.rolledBack()
}

func (a *applier) rolledBack() *record.Result {
	return a.refuseWith(rolledBackError(a.cluster))
}

func rolledBackError(c *record.Cluster) error {
	highest := HighestGeneration(c)
	if c.Met.GetGeneration() > highest {
		return protocol.Errorf(protocol.Unavailable, "a node has met version %s, which no cluster comes to by itself, and this metadata is at %s: the number is damaged or false, or it was rolled back. Nothing is served until an operator starts a generation above %d (ashlar cluster start-generation); if the number is not true, stop the blockserver that shows it (highest_seen in its /v1/status) first, or it shows it again", fromPB(c.Met), versionOf(c), highest)
	}
	return protocol.Errorf(protocol.Unavailable, "a node has met version %s and this metadata is at %s: it was rolled back, and serves nothing until an operator starts a generation above %d (ashlar cluster start-generation)", fromPB(c.Met), versionOf(c), highest)
}

// stopped: the metadata was rolled back, and only a new generation, or what does
// not touch blocks and names, goes on.
func stopped(c *record.Cluster, q *record.Command) bool {
	if c.Met == nil {
		return false
	}
	switch q.Body.(type) {
	case *record.Command_StartGeneration, *record.Command_Register, *record.Command_MarkDigest, *record.Command_CompareDigest,
		*record.Command_PutMetaMember, *record.Command_RemoveMetaMember:
		return false
	}
	return true
}

// HighestGeneration is the highest that this metadata has been in, or knows a node
// to have met: a new one is above it. A node's word for more than
// protocol.MaxMetGeneration counts as that: it stops the metadata as any does, and
// must not leave it without a generation to start. Such a node shows it again when
// the next one has been started, until it is stopped.
func HighestGeneration(c *record.Cluster) uint32 {
	return max(c.GetGeneration(), min(c.GetMet().GetGeneration(), protocol.MaxMetGeneration))
}

// Serving is Unavailable while the metadata is known to be rolled back: what it
// would answer is not what was acknowledged.
func Serving(r Reader) error {
	c, err := ClusterRow(r)
	if err == nil && c.Met != nil {
		err = rolledBackError(c)
	}
	return err
}
