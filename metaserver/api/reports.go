package api

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// MaxRecentReports bounds the reports that are remembered.
const MaxRecentReports = 128

// reportLogPause is the least time between two log lines about reports.
const reportLogPause = 10 * time.Second

// Report is a reader's complaint about one copy. It is a hint, never a fact: only
// the node itself may say that it lost a copy (reclamation.md, Lost).
type Report struct {
	Hash  protocol.Hash
	Node  protocol.NodeID
	Cause protocol.Kind
	// Times counts how often the same complaint came while it was remembered.
	Times uint64
}

// reports counts complaints and remembers the last of them.
type reports struct {
	logger *slog.Logger

	mu     sync.Mutex
	total  uint64
	quiet  uint64 // since the last log line
	logged time.Time
	recent []Report // oldest first
}

func newReports(logger *slog.Logger) *reports { return &reports{logger: logger} }

// report takes a complaint down. Followers pass it on to the leader, which makes
// the node look.
func (a *API) report(_ context.Context, q *pb.ReportRequest) (*pb.ReportAnswer, error) {
	if err := checkReport(q); err != nil {
		return nil, err
	}
	if a.cfg.Group().Leader != a.cfg.Self {
		return nil, protocol.Errorf(protocol.NotLeader, "the leader takes reports")
	}
	a.reports.add(Report{
		Hash: protocol.Hash(q.GetHash()), Node: protocol.NodeID(q.GetNode()), Cause: protocol.Kind(q.GetCause()), Times: 1,
	}, a.cfg.Now())
	a.cfg.Work.Doubt(protocol.Hash(q.GetHash()), protocol.NodeID(q.GetNode()))
	a.cfg.Metrics.reports.Inc()
	return &pb.ReportAnswer{}, nil
}

// Reports returns the remembered complaints, oldest first.
func (a *API) Reports() []Report {
	r := a.reports
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Report(nil), r.recent...)
}

func (r *reports) count() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

func (r *reports) add(c Report, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total++
	r.quiet++
	r.remember(c)
	if now.Sub(r.logged) < reportLogPause {
		return
	}
	r.logger.Warn("a reader complains about a copy", "hash", c.Hash, "node", c.Node, "cause", c.Cause.String(), "complaints", r.quiet)
	r.logged, r.quiet = now, 0
}

// remember merges a complaint with its like, or lets the oldest one go for it.
func (r *reports) remember(c Report) {
	for i := range r.recent {
		if old := &r.recent[i]; old.Hash == c.Hash && old.Node == c.Node && old.Cause == c.Cause {
			old.Times++
			return
		}
	}
	if len(r.recent) == MaxRecentReports {
		r.recent = append(r.recent[:0], r.recent[1:]...)
	}
	r.recent = append(r.recent, c)
}
