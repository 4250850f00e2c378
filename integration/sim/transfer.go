package sim

import (
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// job is a set of blocks on their way to be referenced.
type job struct {
	client *client
	// bucket is whose redundancy they are to have, and redundancy and quorum are what
	// that is.
	bucket             string
	redundancy, quorum uint32
	at                 protocol.Version
	blocks             []int
	live               []bool
	claims             []heldClaim
}

// begin draws blocks, and asks what is there already.
func (c *client) begin(bucket string) *job {
	w := c.w
	j := &job{client: c, bucket: bucket}
	for range 1 + w.n(2) {
		j.blocks = append(j.blocks, w.n(len(w.blocks)))
	}
	v := c.view()
	q := &pb.PrepareRequest{Bucket: bucket}
	for _, i := range j.blocks {
		q.Hashes = append(q.Hashes, w.blocks[i].hash[:]...)
	}
	a, err := state.Prepare(v.table, q)
	if err != nil {
		w.violated("state", "prepare: %v", err)
		return j
	}
	j.at, j.live, j.redundancy, j.quorum = unwire(a.Version), a.Live, a.Redundancy, a.Quorum
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
	width, table := int(l.Width), l.Table
	for _, own := range l.Own {
		if own.Redundancy == j.redundancy {
			width, table = int(own.Width), own.Table
		}
	}
	from := (int(h[0])<<4 | int(h[1])>>4) * width
	for k := range width {
		wanted := k < int(j.quorum) || w.chance(0.4)
		for _, n := range l.Nodes {
			if n.Node != table[from+k] {
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
	if w.chance(0.3) || w.restless && w.chance(0.7) {
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
