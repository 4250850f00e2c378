package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// checkSettings asserts 1 <= Q <= R <= protocol.MaxRedundancy.
func checkSettings(s *record.Settings) error {
	q, r := s.GetQuorum(), s.GetRedundancy()
	if q < 1 || q > r || r > protocol.MaxRedundancy {
		return protocol.Errorf(protocol.InvalidArgument, "quorum and redundancy hold 1 <= quorum (%d) <= redundancy (%d) <= %d", q, r, protocol.MaxRedundancy)
	}
	if s.TranquilityPercent > MaxTranquilityPercent || s.OrdersPerNode > MaxOrdersPerNode || s.PausedClasses>>pausedEnd != 0 {
		return protocol.Errorf(protocol.InvalidArgument, "tranquility is at most %d percent, orders for one node at most %d, and paused classes are bits below %d", MaxTranquilityPercent, MaxOrdersPerNode, pausedEnd)
	}
	if s.AuditKeepRows > protocol.MaxAuditRows {
		return protocol.Errorf(protocol.InvalidArgument, "the audit keeps at most %d rows, not %d", protocol.MaxAuditRows, s.AuditKeepRows)
	}
	if s.DownAfterMs > MaxDownAfterMs || s.AwayAfterMs > MaxDownAfterMs {
		return protocol.Errorf(protocol.InvalidArgument, "a node is taken for down, or away, after at most %d ms", uint64(MaxDownAfterMs))
	}
	return nil
}

// Bounds of the settings of background work.
const (
	// MaxDownAfterMs bounds how long a node may not answer before that has
	// consequences: a year.
	MaxDownAfterMs        = 366 * 24 * 3600 * 1000
	MaxTranquilityPercent = 10_000
	MaxOrdersPerNode      = 1024
)

func checkPutSettings(q *record.PutSettings) error { return checkSettings(q.Settings) }

func plainSettings(s *record.Settings) *record.Settings {
	return &record.Settings{
		Redundancy: s.Redundancy, Quorum: s.Quorum, FeatureLevel: s.FeatureLevel, GraceMs: s.GraceMs,
		PausedClasses: s.PausedClasses, TranquilityPercent: s.TranquilityPercent, OrdersPerNode: s.OrdersPerNode,
		AuditKeepRows: s.AuditKeepRows,
		DownAfterMs:   s.DownAfterMs, AwayAfterMs: s.AwayAfterMs, AutoLayout: s.AutoLayout,
	}
}

// putSettings replaces the settings if they still are those that the change was
// decided on. The feature level is only ever raised, since entries of the level
// may be in the log already, and only to what every metaserver announces.
func (a *applier) putSettings(q *record.PutSettings) *record.Result {
	present := fromPB(a.cluster.SettingsVersion)
	if fromPB(q.IfVersion) != present {
		return a.refuse(protocol.Changed, "the settings are at version %s, not %s", present, fromPB(q.IfVersion))
	}
	if q.Settings.FeatureLevel < a.cluster.Settings.FeatureLevel {
		return a.refuse(protocol.InvalidArgument, "the feature level is %d and never falls", a.cluster.Settings.FeatureLevel)
	}
	if behind := a.memberBehind(q.Settings.FeatureLevel); behind != "" {
		return a.refuse(protocol.PreconditionFailed, "metaserver %s does not announce feature level %d", protocol.Quote(behind), q.Settings.FeatureLevel)
	}
	before := a.cluster.Settings
	wider := q.Settings.Redundancy != before.Redundancy
	recounted := wider || q.Settings.Quorum != before.Quorum
	if recounted && a.cluster.Indexed != nil {
		return a.refuse(protocol.Unavailable, "an earlier change of redundancy or quorum is still being carried through; try again")
	}
	a.cluster.Settings = plainSettings(q.Settings)
	a.cluster.SettingsVersion = toPB(a.next())
	if wider {
		a.relayout(LayoutRedundancy, 0, before.Redundancy)
		a.startSweep(SweepLayout, 0)
	}
	if recounted {
		a.startReindex(before)
	}
	return a.done()
}

// memberBehind returns a metaserver that does not announce the level, or "".
func (a *applier) memberBehind(level uint32) string {
	members, err := MetaMembers(a)
	a.fail(err)
	for _, m := range members {
		if m.FeatureLevel < level {
			return m.Id
		}
	}
	return ""
}
