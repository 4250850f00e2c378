package sim

import (
	"bytes"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/blockfile"
	"github.com/seed-7d21a5b5/ashlar/integration/sim/cover"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// judgeFile reads what a block file says and whether it is what it should be.
func (w *world) judgeFile(i int, content []byte) file {
	if len(content) < blockfile.HeaderSize {
		return file{}
	}
	head, err := blockfile.Parse(content[:blockfile.HeaderSize])
	if err != nil {
		return file{}
	}
	rest := content[blockfile.HeaderSize:]
	good := bytes.Equal(rest, w.frames[i]) || int(head.StoredSize) == len(rest) && w.codec.Check(w.blocks[i].hash, rest, head.PlainSize) == nil
	return file{head.Version(), good}
}

// put is a client's PUT of a block at u.
func (n *node) put(i int, u protocol.Version, reply func(protocol.Claim, error)) {
	if !n.up() || !n.ready {
		return
	}
	b := n.w.blocks[i]
	n.w.say("node %d: put %s at %s", n.slot+1, n.w.name(i), u)
	reply(n.keep(i, func() (protocol.Claim, error) {
		return n.w.opt.Mutant.put(n, i, store.PutRequest{Hash: b.hash, Version: u, Body: b.plain, PlainSize: len(b.plain)})
	}))
}

// touch is a client's touch.
func (n *node) touch(i int, u protocol.Version, reply func(protocol.Claim, error)) {
	if !n.up() || !n.ready {
		return
	}
	n.w.say("node %d: touch %s at %s", n.slot+1, n.w.name(i), u)
	reply(n.keep(i, func() (protocol.Claim, error) { return n.w.opt.Mutant.touch(n, i, u) }))
}

// keep runs one operation on a block and has the checkers look at its claim.
func (n *node) keep(i int, fn func() (protocol.Claim, error)) (protocol.Claim, error) {
	end := n.risky()
	c, err := fn()
	end()
	n.lookAt(i)
	if err == nil {
		n.w.say("node %d acknowledges %s at %s, ack %d", n.slot+1, n.w.name(i), c.Version, c.Ack)
		n.w.facts.claimed(n, i, c)
	}
	return c, err
}

// inventory answers one page; nil is no answer.
func (n *node) inventory(after protocol.Hash, limit int) *pb.InventoryPage {
	if !n.up() || !n.ready {
		return nil
	}
	items, next, more, err := n.store.List(background(), after, limit)
	if err != nil {
		return nil
	}
	page := &pb.InventoryPage{Node: uint32(n.id), Incarnation: n.incarnation}
	for _, it := range items {
		page.Items = append(page.Items, &pb.InventoryItem{
			Hash: it.Hash[:], Version: wire(it.Version), PlainSize: it.PlainSize, StoredSize: it.StoredSize, State: it.State.String(), Disk: it.Disk,
		})
	}
	if more {
		page.Next = next[:]
	}
	return page
}

// carry takes a batch of orders: one after the other, with time between them.
// As in package blockserver, a node that learns of a higher incarnation than its own,
// because an older start of it came late, or of a higher generation than it was
// admitted in, because the metadata was restored, registers anew.
func (n *node) carry(q *pb.OrdersRequest, reply func(*pb.OrdersAnswer, error)) {
	if !n.up() || !n.ready {
		return
	}
	if q.Node != uint32(n.id) {
		reply(nil, protocol.Errorf(protocol.OrderRefused, "these orders are for node %d", q.Node))
		return
	}
	end := n.risky()
	_, err := n.worker.Carry(background(), n.batch(q))
	end()
	if !n.up() {
		return
	}
	if err != nil {
		n.w.cover.Points[cover.OrderRefused]++
		reply(nil, err)
		return
	}
	if n.met < q.Generation && q.Generation == n.w.facts.cluster.Generation {
		n.w.facts.meets(n)
		n.met = q.Generation
		n.w.haunt(n)
	}
	n.met = max(n.met, q.Generation)
	if q.Incarnation > n.incarnation || q.Generation > n.admitted {
		n.w.say("node %d learns of generation %d, incarnation %d, and registers anew", n.slot+1, q.Generation, q.Incarnation)
		n.begin()
		reply(nil, protocol.Errorf(protocol.NotRegistered, "registers anew"))
		return
	}
	if q.Generation >= n.generation {
		n.generation, n.term = q.Generation, q.Term
	}
	n.next(q, n.starts, &pb.OrdersAnswer{Node: q.Node, Incarnation: n.incarnation}, reply)
}

// slice is the longest that a batch may take, in milliseconds of a real clock: no
// order may be handed back because the test's machine was slow.
const slice = 10_000

// batch is some orders of q.
func (n *node) batch(q *pb.OrdersRequest, some ...*pb.Order) *pb.OrdersRequest {
	if n.w.opt.Mutant.Seam == SeamAnyGeneration {
		highest := max(q.Generation, n.generation, n.store.HighestSeen().Generation)
		return &pb.OrdersRequest{Generation: highest, Term: max(q.Term, n.term), Orders: some, SliceMs: slice}
	}
	return &pb.OrdersRequest{Generation: q.Generation, Term: q.Term, Orders: some, SliceMs: slice}
}

// next carries out the batch's next order, and answers after the last.
func (n *node) next(q *pb.OrdersRequest, start int, ans *pb.OrdersAnswer, reply func(*pb.OrdersAnswer, error)) {
	w := n.w
	if !n.up() || n.starts != start {
		return
	}
	at := len(ans.Answers)
	if at == len(q.Orders) {
		reply(ans, nil)
		return
	}
	n.order(q, q.Orders[at], start, func(a *pb.OrderAnswer) {
		a.Id = q.Orders[at].Id
		w.cover.Outcome(q.Orders[at].Kind, a.Outcome)
		ans.Answers = append(ans.Answers, a)
		w.after(int64(w.n(4)), func() { n.next(q, start, ans, reply) })
	})
}

// order carries out one order. A copy order goes without its sources first: that
// touches what is here, and what is not is fetched by the simulation's network.
func (n *node) order(q *pb.OrdersRequest, o *pb.Order, start int, done func(*pb.OrderAnswer)) {
	i := n.w.blockOf(o.Hash)
	asked := n.w.opt.Mutant.order(&pb.Order{Id: o.Id, Kind: o.Kind, Hash: o.Hash, Version: o.Version})
	end := n.risky()
	a := n.w.opt.Mutant.instead(n, i, asked)
	if a == nil {
		ans, err := n.worker.Carry(background(), n.batch(q, asked))
		switch {
		case protocol.KindOf(err) == protocol.OrderRefused:
			// Something higher was met since the batch was let in.
			a = &pb.OrderAnswer{Outcome: pb.Outcome_OUTCOME_HANDED_BACK}
		case err != nil:
			a = failed(err)
		default:
			a = ans.Answers[0]
		}
	}
	end()
	n.lookAt(i)
	n.admits[i] = n.admits[i] || a.Outcome == pb.Outcome_OUTCOME_LOST
	if a.Ack != nil {
		n.w.facts.claimed(n, i, claimOf(a.Ack))
	}
	n.w.say("node %d: %s: %s %s", n.slot+1, describeOrders([]*pb.Order{o}), a.Outcome, a.Detail)
	if o.Kind == pb.OrderKind_ORDER_KIND_COPY && a.Outcome == pb.Outcome_OUTCOME_FAILED && protocol.Kind(a.Kind) == protocol.InvalidArgument {
		n.fetch(o, start, o.Sources, done)
		return
	}
	if n.up() {
		done(a)
	}
}

func failed(err error) *pb.OrderAnswer {
	e := protocol.AsError(err)
	return &pb.OrderAnswer{Outcome: pb.Outcome_OUTCOME_FAILED, Kind: uint32(e.Kind), Detail: e.Detail}
}

// fetch asks one source after the other and stores what comes at o.
func (n *node) fetch(o *pb.Order, start int, sources []string, done func(*pb.OrderAnswer)) {
	w := n.w
	if len(sources) == 0 {
		done(failed(protocol.Errorf(protocol.NotFound, "no source has it")))
		return
	}
	i := w.blockOf(o.Hash)
	w.after(w.delay(), func() {
		body := w.nodeAt(sources[0]).read(i)
		w.after(w.delay(), func() {
			if !n.up() || n.starts != start {
				return
			}
			if body == nil {
				n.fetch(o, start, sources[1:], done)
				return
			}
			c, err := n.keep(i, func() (protocol.Claim, error) {
				return n.w.opt.Mutant.put(n, i, store.PutRequest{Hash: w.blocks[i].hash, Version: unwire(o.Version), Body: body, PlainSize: len(body)})
			})
			switch {
			case !n.up():
			case err != nil:
				done(failed(err))
			default:
				w.say("node %d: %s fetched: %s", n.slot+1, w.name(i), c.Version)
				done(&pb.OrderAnswer{Outcome: pb.Outcome_OUTCOME_HELD, Ack: ackOf(c)})
			}
		})
	})
}

// read gives a block's plain bytes, nil if it cannot.
func (n *node) read(i int) []byte {
	if n == nil || !n.up() {
		return nil
	}
	b, err := n.store.Get(background(), n.w.blocks[i].hash)
	if err != nil {
		n.lookAt(i)
		return nil
	}
	plain, err := b.Plain(nil)
	_ = b.Close()
	n.lookAt(i)
	if err != nil {
		return nil
	}
	return plain
}

func ackOf(c protocol.Claim) *pb.Ack {
	return &pb.Ack{
		Hash: c.Hash[:], Node: uint32(c.Node), Incarnation: uint64(c.Incarnation), Disk: c.Disk, Ack: c.Ack,
		Version: wire(c.Version), PlainSize: c.PlainSize, StoredSize: c.StoredSize,
	}
}

func claimOf(a *pb.Ack) protocol.Claim {
	return protocol.Claim{
		Hash: protocol.Hash(a.Hash), Node: protocol.NodeID(a.Node), Incarnation: protocol.Incarnation(a.Incarnation), Disk: a.Disk, Ack: a.Ack,
		Version: unwire(a.Version), PlainSize: a.PlainSize, StoredSize: a.StoredSize,
	}
}
