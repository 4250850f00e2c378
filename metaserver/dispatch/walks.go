package dispatch

import (
	"context"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// rejudge is how often a page of a suspect node is judged again, after its
// errands ended, before the walk goes on and the inventory has to be taken anew.
const rejudge = 3

// walks keeps one walk per blockserver going: the node's inventory in pages, a
// page now and then; at once and whole while the node is suspect.
func (l *leading) walks(ctx context.Context) {
	var walking sync.WaitGroup
	defer walking.Wait()
	for {
		l.complain(ctx, "inventories", l.startWalks(ctx, &walking))
		if !pause(ctx, nil, l.cfg.Timing.RoundTick) {
			return
		}
	}
}

func (l *leading) startWalks(ctx context.Context, walking *sync.WaitGroup) error {
	return l.plan(ctx, func(r state.Reader) error {
		nodes, err := state.Nodes(r)
		for i, n := range nodes {
			id := protocol.NodeID(i + 1)
			if n.GetState() == pb.NodeState_NODE_STATE_REMOVED || !l.reachable(id) || !l.fleet.beginWalk(id) {
				continue
			}
			walking.Go(func() {
				defer l.fleet.endWalk(id)
				l.walk(ctx, id)
			})
		}
		return err
	})
}

// beginWalk takes the node's walk, if the node has answered and has none.
func (f *fleet) beginWalk(n protocol.NodeID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := f.link(n)
	if at.walking || !at.met {
		return false
	}
	at.walking = true
	return true
}

func (f *fleet) endWalk(n protocol.NodeID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.link(n).walking = false
}

// walk takes one inventory of a node, then rests; it ends early when the node
// does not answer.
func (l *leading) walk(ctx context.Context, id protocol.NodeID) {
	t := &trip{leading: l, id: id}
	clean, err := t.whole(ctx)
	if err != nil {
		// It is taken again when the node has answered a batch.
		l.complain(ctx, "inventory of node "+id.String(), err)
		l.fleet.mu.Lock()
		l.failed(l.fleet.link(id))
		l.fleet.mu.Unlock()
		return
	}
	if t.due != nil {
		if clean {
			_, err = l.propose(ctx, &record.Command{Body: &record.Command_InventoryTaken{
				InventoryTaken: &record.InventoryTaken{Node: uint32(id), Due: t.due},
			}})
			if err == nil {
				l.cfg.Logger.Info("inventory taken", "node", id)
			}
			l.complain(ctx, "inventory taken", err)
			l.Nudge()
		}
		pause(ctx, nil, l.cfg.Timing.Rest)
		return
	}
	l.restBetweenWalks(ctx, id)
}

// restBetweenWalks ends when the rest is over, or the node has become suspect, or
// W has passed the files that waited for it.
func (l *leading) restBetweenWalks(ctx context.Context, id protocol.NodeID) {
	end := time.Now().Add(l.cfg.Timing.WalkRest)
	for time.Now().Before(end) && pause(ctx, nil, l.cfg.Timing.RoundTick) {
		n, watermark, err := l.nodeRow(ctx, id)
		if err != nil {
			continue
		}
		l.fleet.mu.Lock()
		stray := l.fleet.link(id).stray
		l.fleet.mu.Unlock()
		if n == nil || n.InventoryDue != nil || !stray.IsZero() && stray.Less(watermark) {
			return
		}
	}
}

// nodeRow reads a node's row, nil once it is no member, and W.
func (l *leading) nodeRow(ctx context.Context, id protocol.NodeID) (n *record.Node, watermark protocol.Version, err error) {
	err = l.look(ctx, func(r state.Reader) error {
		nodes, err := state.Nodes(r)
		if err != nil {
			return err
		}
		if at := int(id) - 1; at < len(nodes) && nodes[at].GetState() != pb.NodeState_NODE_STATE_REMOVED {
			n = nodes[at]
		}
		cluster, err := state.ClusterRow(r)
		w := cluster.GetWatermark()
		watermark = protocol.Version{Generation: w.GetGeneration(), Counter: w.GetCounter()}
		return err
	})
	return n, watermark, err
}

// trip is one walk under way.
type trip struct {
	*leading
	id protocol.NodeID
	// due is the version that asked for the inventory; nil: the node is not suspect.
	due         *pb.Version
	incarnation uint64
	waits       protocol.Version
}

// whole walks all pages, and tells whether every copy that the records count on
// the node was borne out.
func (t *trip) whole(ctx context.Context) (clean bool, err error) {
	clean = true
	from, end := protocol.Hash{}, lastHash()
	tries := 0
	for {
		n, _, err := t.nodeRow(ctx, t.id)
		if err != nil || n == nil {
			return false, err
		}
		if from.IsZero() && tries == 0 {
			t.due, t.incarnation = n.InventoryDue, n.Incarnation
		} else if t.changed(n) {
			return false, nil // from the beginning
		}
		w, err := t.page(ctx, n.Address, from)
		if err != nil {
			return false, err
		}
		if t.due != nil && w.Open > 0 && tries < rejudge {
			tries++
			continue
		}
		clean = clean && w.Open == 0
		if from, tries = w.Upto, 0; from == end {
			break
		}
		if t.due == nil && !pause(ctx, nil, t.cfg.Timing.WalkPause) {
			return false, ctx.Err()
		}
	}
	t.fleet.mu.Lock()
	t.fleet.link(t.id).stray = t.waits
	t.fleet.mu.Unlock()
	if !t.waits.IsZero() {
		t.Nudge()
	}
	return clean, nil
}

// changed: the node has started anew, or an inventory was asked for, since the
// walk began.
func (t *trip) changed(n *record.Node) bool {
	return n.Incarnation != t.incarnation || n.InventoryDue.GetGeneration() != t.due.GetGeneration() || n.InventoryDue.GetCounter() != t.due.GetCounter()
}

// page judges one page and waits until what follows from it is done.
func (t *trip) page(ctx context.Context, addr string, from protocol.Hash) (w schedule.Walk, err error) {
	t.fleet.mu.Lock()
	met := t.fleet.link(t.id).generation
	t.fleet.mu.Unlock()
	if met < t.due.GetGeneration() {
		// Orders of before the restore could still be carried out behind the walk.
		return w, protocol.Errorf(protocol.Unavailable, "node %s has met generation %d, and its inventory is asked for by %d", t.id, met, t.due.GetGeneration())
	}
	page, err := t.cfg.Nodes.Inventory(ctx, addr, from)
	if err != nil {
		return w, err
	}
	if protocol.NodeID(page.GetNode()) != t.id || page.GetIncarnation() != t.incarnation {
		return w, protocol.Errorf(protocol.Unavailable, "node %d, incarnation %d, answers at the address of node %s, incarnation %d", page.GetNode(), page.GetIncarnation(), t.id, t.incarnation)
	}
	to := lastHash()
	if len(page.GetNext()) > 0 {
		if to, err = protocol.HashFromBytes(page.GetNext()); err != nil {
			return w, err
		}
	}
	var generation uint32
	err = t.look(ctx, func(r state.Reader) error {
		obs, err := t.observe(r)
		if err == nil {
			generation = obs.Generation
			w, err = schedule.Strays(r, obs, t.id, page, from, to)
		}
		return err
	})
	if err != nil {
		return w, err
	}
	t.waits = t.waits.Max(w.Waits)
	t.metrics.strays.Add(float64(w.Strays))
	if _, err := t.settled(ctx, w.Commands); err != nil {
		return w, err
	}
	return w, t.errands(ctx, w.Orders, generation)
}

// errands has the node carry orders out, and waits for it.
func (t *trip) errands(ctx context.Context, orders []*pb.Order, generation uint32) error {
	ended := t.fleet.hand(t.id, orders, generation)
	t.Nudge()
	for {
		select {
		case <-ended:
			return nil
		default:
		}
		if !t.reachable(t.id) {
			t.fleet.drop(t.id)
			return protocol.Errorf(protocol.Unavailable, "node %s does not answer", t.id)
		}
		if !pause(ctx, ended, t.cfg.Timing.RoundTick) {
			return ctx.Err()
		}
	}
}

// lastHash is above or equal to every hash.
func lastHash() (h protocol.Hash) {
	for i := range h {
		h[i] = 0xff
	}
	return h
}
