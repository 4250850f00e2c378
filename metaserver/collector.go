package metaserver

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// collector reads the replica's status and the state's counters at each scrape.
type collector struct{ s *Server }

// gauge is one number of a scrape.
type gauge struct {
	name, help string
	value      float64
}

// Describe sends nothing: the collector is unchecked, and always sends the same.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the numbers of this moment.
func (c collector) Collect(out chan<- prometheus.Metric) {
	for _, g := range append(c.group(), c.counters()...) {
		desc := prometheus.NewDesc(g.name, g.help, nil, nil)
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, g.value)
	}
}

func (c collector) group() []gauge {
	st := c.s.replica.Status()
	return []gauge{
		{"ashlar_meta_raft_term", "Term of the Raft group.", float64(st.Term)},
		{"ashlar_meta_raft_applied_index", "Index of the last log entry applied.", float64(st.AppliedIndex)},
		{"ashlar_meta_raft_commit_index", "Index of the last log entry known to be committed.", float64(st.CommitIndex)},
		{"ashlar_meta_raft_last_index", "Index of the last log entry stored.", float64(st.LastLog)},
		{"ashlar_meta_raft_is_leader", "1 while this server leads.", number(c.s.IsLeader())},
		{"ashlar_meta_raft_has_leader", "1 while a leader is known.", number(st.LeaderID != "")},
		{"ashlar_meta_raft_members", "Members of the Raft group.", float64(len(st.Members))},
		{"ashlar_meta_raft_snapshot_index", "Index that the newest snapshot covers.", float64(st.Snapshot.Index)},
	}
}

func (c collector) counters() []gauge {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	v, err := c.s.replica.View(ctx, pb.Level_LEVEL_STALE, protocol.Version{})
	if err != nil {
		return nil
	}
	defer func() { _ = v.Close() }()
	row, err := state.ClusterRow(v)
	if err != nil {
		return nil
	}
	n := row.GetCounters()
	return []gauge{
		{"ashlar_meta_version_counter", "Counter of the state's last version.", float64(row.GetCounter())},
		{"ashlar_meta_objects", "Objects.", float64(n.GetObjects())},
		{"ashlar_meta_logical_bytes", "Sum of all objects' sizes.", float64(n.GetLogicalBytes())},
		{"ashlar_meta_inline_bytes", "Bytes of objects that live in metadata.", float64(n.GetInlineBytes())},
		{"ashlar_meta_trash_objects", "Objects in the trash.", float64(n.GetTrashObjects())},
		{"ashlar_meta_trash_logical_bytes", "Sum of the sizes of objects in the trash.", float64(n.GetTrashLogicalBytes())},
		{"ashlar_meta_trash_inline_bytes", "Bytes of objects in the trash that live in metadata.", float64(n.GetTrashInlineBytes())},
		{"ashlar_meta_live_blocks", "Referenced blocks.", float64(n.GetLiveBlocks())},
		{"ashlar_meta_live_stored_bytes", "Stored bytes of referenced blocks, one copy each.", float64(n.GetLiveStoredBytes())},
		{"ashlar_meta_unreferenced_blocks", "Blocks that nothing references any more.", float64(n.GetUnreferencedBlocks())},
		{"ashlar_meta_unreferenced_stored_bytes", "Stored bytes of unreferenced blocks, one copy each.", float64(n.GetUnreferencedStoredBytes())},
		{"ashlar_meta_condemned_blocks", "Blocks that are being deleted.", float64(n.GetCondemnedBlocks())},
		{"ashlar_meta_counted_copies", "Counted copies of all blocks.", float64(n.GetCountedCopies())},
		{"ashlar_meta_copies_stored_bytes", "Stored bytes of all counted copies.", float64(n.GetCopiesStoredBytes())},
		{"ashlar_meta_under_replicated_blocks", "Referenced blocks with fewer counted copies than the redundancy.", float64(n.GetUnderReplicatedBlocks())},
		{"ashlar_meta_references", "References that objects, also in the trash, and uploads hold.", float64(n.GetReferences())},
		{"ashlar_meta_moving_blocks", "Blocks that do not stand where the layout has them.", float64(n.GetMovingBlocks())},
		{"ashlar_meta_moving_stored_bytes", "Stored bytes of blocks that do not stand where the layout has them, one copy each.", float64(n.GetMovingStoredBytes())},
		{"ashlar_meta_layout_version", "Version of the layout.", float64(row.GetLayoutVersion())},
		{"ashlar_meta_sessions", "Open sessions.", float64(n.GetSessions())},
		{"ashlar_meta_uploads", "Uploads under way.", float64(n.GetUploads())},
		{"ashlar_meta_unreference_jobs", "Ended objects whose references are being taken back.", float64(n.GetUnreferenceJobs())},
		{"ashlar_meta_prefix_jobs", "Deletes of prefixes that run.", float64(n.GetPrefixJobs())},
		{"ashlar_meta_audit_rows", "Rows of the audit.", float64(n.GetAuditRows())},
		{"ashlar_meta_audit_bytes", "Bytes of the audit.", float64(n.GetAuditBytes())},
		{"ashlar_meta_unreference_left", "References still to take back.", float64(n.GetUnreferenceLeft())},
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
