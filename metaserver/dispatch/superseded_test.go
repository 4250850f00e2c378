package dispatch_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// The log has an incarnation that no process is, as after a Register that came late.
// The node is idle and not suspect: its pings give it away, and the batch that it is
// sent then names what it has to be above.
func TestSupersededNodeIsToldOfItsIncarnation(t *testing.T) {
	b := newBed(t, 3)
	n := b.nodes[1]
	n.anew = true
	b.lead(dispatch.New(dispatch.Config{
		Log: b, Nodes: b, Registry: prometheus.NewRegistry(),
		Ping: func(_ context.Context, addr string) (*pb.BlockserverStatus, error) {
			at := b.at(addr)
			at.mu.Lock()
			defer at.mu.Unlock()
			return &pb.BlockserverStatus{Registered: true, Node: at.id, Incarnation: at.incarnation}, nil
		},
		// Walks rest for longer than the test runs.
		Timing: dispatch.Timing{PingEvery: 5 * time.Millisecond, RoundTick: 10 * time.Millisecond, Rest: 10 * time.Millisecond, MaxRest: 40 * time.Millisecond},
	}), 1)
	b.eventually("every inventory", func() bool { return b.nodes[0].asked() > 0 && n.asked() > 0 && b.nodes[2].asked() > 0 })
	b.register(1, 2, 0)
	b.eventually("a new start", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.incarnation == 3 && b.nodeRow(2).Incarnation == 3
	})
	b.eventually("a batch for the present start", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.seen[len(n.seen)-1].Incarnation == 3
	})
	for _, other := range []*node{b.nodes[0], b.nodes[2]} {
		other.mu.Lock()
		for _, q := range other.seen {
			if q.Incarnation != 1 {
				t.Errorf("node %d was sent %v", other.id, q)
			}
		}
		other.mu.Unlock()
	}
}
