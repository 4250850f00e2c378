package sim

import (
	"fmt"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// client is one user of the cluster: one thing at a time, within a session.
type client struct {
	w  *world
	id int
	// life counts crashes: what belongs to an earlier life is not heard.
	life    int
	busy    bool
	session []byte
	seq     uint64
	// pool are claims of earlier days, which a slow client may still send.
	pool []heldClaim
	// layout is where blocks belong, as the client learnt it some time ago.
	layout *pb.Layout
}

type heldClaim struct {
	block int
	claim protocol.Claim
}

func newClient(w *world, id int) *client {
	c := &client{w: w, id: id}
	w.after(int64(60+w.n(100)), c.act)
	return c
}

// mine keeps what a callback does to the life that asked for it.
func (c *client) mine(fn func()) func() {
	life := c.life
	return func() {
		if c.life == life {
			fn()
		}
	}
}

// think waits before what comes next.
func (c *client) think(fn func()) {
	w := c.w
	pause := w.shape.pace * int64(1+w.n(20))
	if w.hits(FaultStall) {
		pause = int64(100 + w.n(3000))
	}
	w.after(pause, c.mine(fn))
}

func (c *client) act() {
	w := c.w
	if w.draining {
		return
	}
	w.after(w.shape.pace*int64(10+w.n(40)), c.act)
	if w.hits(FaultClientCrash) {
		w.say("client %d crashes", c.id)
		c.life++
		c.busy, c.session, c.seq = false, nil, 0
	}
	if c.busy {
		return
	}
	c.busy = true
	switch {
	case c.session == nil:
		c.openSession()
	case w.chance(0.03):
		c.closeSession()
	case w.chance(0.1):
		c.upload()
	case w.chance(0.4):
		c.remove()
	default:
		c.store(2)
	}
}

// done ends what the client is at.
func (c *client) done() { c.busy = false }

// ask has a metaserver propose a command and tells its result. Without an answer
// it asks again, some times; at the end it hears nil.
//
// The command is made by who proposes it: a message that arrives twice is
// proposed twice.
func (c *client) ask(cmd func() *record.Command, heard func(*record.Command, *record.Result)) {
	w := c.w
	answered := false
	once := func(q *record.Command, r *record.Result) {
		if !answered {
			answered = true
			heard(q, r)
		}
	}
	var try func(left int)
	try = func(left int) {
		if answered {
			return
		}
		if left == 0 {
			once(nil, nil)
			return
		}
		s := w.anyLeader()
		w.send(func() {
			if !s.leading {
				return
			}
			q := cmd()
			s.propose(q, func(r *record.Result) {
				if r != nil && protocol.Kind(r.Kind) != protocol.Busy {
					w.send(c.mine(func() { once(q, r) }))
				}
			})
		})
		w.after(w.shape.pace*int64(30+w.n(100)), c.mine(func() { try(left - 1) }))
	}
	try(8)
}

// anyLeader picks who is asked: mostly somebody who says that he leads.
func (w *world) anyLeader() *server {
	s := w.servers[w.n(len(w.servers))]
	for range 4 {
		if s.leading {
			break
		}
		s = w.servers[w.n(len(w.servers))]
	}
	return s
}

func (c *client) openSession() {
	w := c.w
	c.ask(func() *record.Command {
		return &record.Command{Body: &record.Command_OpenSession{OpenSession: &record.OpenSession{Session: w.id()}}}
	}, func(q *record.Command, r *record.Result) {
		if r != nil && r.Kind == 0 {
			c.session, c.seq = q.GetOpenSession().Session, 0
		}
		c.done()
	})
}

func (c *client) closeSession() {
	session := c.session
	c.session, c.seq = nil, 0
	c.ask(func() *record.Command {
		return &record.Command{Body: &record.Command_CloseSession{CloseSession: &record.CloseSession{Session: session}}}
	}, func(*record.Command, *record.Result) { c.done() })
}

// call asks within the session, under its next sequence.
func (c *client) call(oldest protocol.Version, cmd func(*pb.Call) *record.Command, heard func(*record.Result)) {
	c.seq++
	call := &pb.Call{Session: c.session, Sequence: c.seq, LowestUnacked: c.seq}
	if !oldest.IsZero() {
		call.OldestUpload = wire(oldest)
	}
	c.ask(func() *record.Command { return cmd(call) }, func(_ *record.Command, r *record.Result) {
		if k := protocol.Kind(r.GetKind()); r == nil || k == protocol.SessionExpired {
			c.session, c.seq = nil, 0
		}
		heard(r)
	})
}

func (c *client) name() string { return fmt.Sprintf("object%d", c.w.n(c.w.shape.names)) }

const bucket = "bucket"

func (c *client) remove() {
	w := c.w
	q := &pb.DeleteRequest{Bucket: bucket}
	for range 1 + w.n(2) {
		item := &pb.DeleteItem{Name: c.name()}
		if !slices.ContainsFunc(q.Items, func(i *pb.DeleteItem) bool { return i.Name == item.Name }) {
			q.Items = append(q.Items, item)
		}
	}
	c.call(c.view().m.Version(), func(call *pb.Call) *record.Command {
		q.Call = call
		return &record.Command{Body: &record.Command_Delete{Delete: q}}
	}, func(*record.Result) { c.done() })
}

// view is some server's state: what the client learns may be old.
func (c *client) view() *replica { return c.w.servers[c.w.n(len(c.w.servers))].replica }

// job is a set of blocks on their way to be referenced.
type job struct {
	client *client
	at     protocol.Version
	blocks []int
	live   []bool
	claims []heldClaim
}

// begin draws blocks, and asks what is there already.
func (c *client) begin() *job {
	w := c.w
	j := &job{client: c}
	for range 1 + w.n(2) {
		j.blocks = append(j.blocks, w.n(len(w.blocks)))
	}
	v := c.view()
	q := &pb.PrepareRequest{}
	for _, i := range j.blocks {
		q.Hashes = append(q.Hashes, w.blocks[i].hash[:]...)
	}
	a, err := state.Prepare(v.table, q)
	if err != nil {
		w.violated("state", "prepare: %v", err)
		return j
	}
	j.at, j.live = unwire(a.Version), a.Live
	return j
}

// send stores or touches the blocks on nodes, and goes on when all have answered
// or enough time has passed.
func (j *job) send(then func()) {
	c, w := j.client, j.client.w
	layout := c.places()
	if layout == nil || j.at.IsZero() {
		then()
		return
	}
	waiting, gone := 1, false
	end := func() {
		if waiting--; waiting == 0 && !gone {
			gone = true
			then()
		}
	}
	for k, i := range j.blocks {
		if j.live[k] && w.chance(0.6) || w.chance(0.05) {
			continue
		}
		for _, n := range j.targets(layout, i) {
			waiting++
			j.sendOne(n, i, c.mine(end))
		}
	}
	w.after(w.shape.pace*int64(20+w.n(60)), c.mine(func() {
		if !gone {
			gone = true
			then()
		}
	}))
	end()
}

// places is the layout that the client knows.
func (c *client) places() *pb.Layout {
	if c.layout == nil || c.w.chance(0.3) {
		layout, err := state.Layout(c.view().table)
		if err != nil {
			c.w.violated("state", "layout: %v", err)
		}
		c.layout = layout
	}
	return c.layout
}

func (j *job) sendOne(n *node, i int, end func()) {
	c, w := j.client, j.client.w
	reply := func(claim protocol.Claim, err error) {
		w.send(c.mine(func() {
			if err == nil {
				j.claims = append(j.claims, heldClaim{i, claim})
				c.remember(heldClaim{i, claim})
			}
			end()
		}))
	}
	at := j.at
	if w.chance(0.3) {
		w.send(func() { n.touch(i, at, reply) })
		return
	}
	w.send(func() { n.put(i, at, reply) })
}

// targets are the nodes of the block's partition, mostly.
func (j *job) targets(l *pb.Layout, i int) (out []*node) {
	w := j.client.w
	h := w.blocks[i].hash
	if w.chance(0.15) {
		// Nothing binds a client to the layout.
		return []*node{w.nodes[w.n(len(w.nodes))], w.nodes[w.n(len(w.nodes))]}
	}
	width := int(l.Width)
	from := (int(h[0])<<4 | int(h[1])>>4) * width
	for k := range width {
		wanted := k < int(l.Quorum) || w.chance(0.4)
		for _, n := range l.Nodes {
			if n.Node != l.Table[from+k] {
				continue
			}
			if host := w.nodeAt(n.Address); host != nil && wanted {
				out = append(out, host)
			}
		}
	}
	return out
}

func (c *client) remember(h heldClaim) {
	c.pool = append(c.pool, h)
	if len(c.pool) > 24 {
		c.pool = slices.Clone(c.pool[8:])
	}
}

// content is what a commit or page says of the job's blocks.
func (j *job) content() (*pb.Blocks, []*pb.Claim, uint64) {
	w := j.client.w
	blocks := &pb.Blocks{}
	var claims []*pb.Claim
	size := uint64(0)
	held := j.claims
	if w.chance(0.3) {
		held = append(slices.Clone(held), j.client.pool...)
	}
	w.rng.Shuffle(len(held), func(a, b int) { held[a], held[b] = held[b], held[a] })
	told := make([]int, len(w.blocks))
	for k, i := range j.blocks {
		b := w.blocks[i]
		blocks.Hashes = append(blocks.Hashes, b.hash[:]...)
		blocks.PlainSizes = append(blocks.PlainSizes, uint32(len(b.plain)))
		blocks.StoredSizes = append(blocks.StoredSizes, uint32(len(w.frames[i])))
		size += uint64(len(b.plain))
		for _, h := range held {
			if h.block == i && slices.Index(j.blocks, i) == k && told[i] < protocol.MaxClaimsPerBlock {
				told[i]++
				claims = append(claims, claimPB(k, h.claim))
			}
		}
	}
	return blocks, claims, size
}

func claimPB(k int, c protocol.Claim) *pb.Claim {
	return &pb.Claim{
		Block: uint32(k), Node: uint32(c.Node), Incarnation: uint64(c.Incarnation), Disk: c.Disk, Ack: c.Ack,
		Generation: c.Version.Generation, Counter: c.Version.Counter,
	}
}

// store puts an object: what is refused is sent anew at a fresh version.
func (c *client) store(tries int) {
	j := c.begin()
	c.think(func() {
		j.send(func() {
			c.think(func() { c.commit(j, tries) })
		})
	})
}

func (c *client) commit(j *job, tries int) {
	if c.session == nil {
		c.done()
		return
	}
	q := &pb.CommitRequest{Bucket: bucket, Name: c.name()}
	q.Blocks, q.Claims, q.Size = j.content()
	c.call(j.at, func(call *pb.Call) *record.Command {
		q.Call = call
		return &record.Command{Body: &record.Command_Commit{Commit: q}}
	}, func(r *record.Result) {
		if protocol.Kind(r.GetKind()) == protocol.ClaimsRefused && tries > 0 && c.session != nil {
			again := *j
			again.at = unwire(r.Version)
			again.live, again.claims = make([]bool, len(j.blocks)), nil
			c.think(func() { again.send(func() { c.commit(&again, tries-1) }) })
			return
		}
		c.done()
	})
}
