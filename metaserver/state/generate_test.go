package state_test

import (
	"fmt"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// generator makes commands out of a small space, so that they meet: a few names,
// blocks, nodes, sessions and uploads, and versions, incarnations and sequences
// that are mostly right.
type generator struct {
	// draw returns a number below n.
	draw func(n int) int
	m    *machine
	// next is the next unused sequence of each session.
	next map[string]uint64
	// incarnation of each node, as last answered.
	incarnation map[uint32]uint64
	starts      uint32
	// pages and size of each upload, as far as appends were answered well.
	pages, size map[string]int
	// accepted counts commits that were.
	accepted int
	// identities counts those that have joined; members are not removed.
	identities, members uint32
}

const (
	someBlocks   = 6
	someNames    = 5
	someNodes    = 4
	someSessions = 3
	someUploads  = 4
)

func newGenerator(m *machine, draw func(int) int) *generator {
	g := &generator{draw: draw, m: m, next: map[string]uint64{}, incarnation: map[uint32]uint64{}, pages: map[string]int{}, size: map[string]int{}}
	for n := range uint32(someNodes) {
		g.incarnation[n+1] = 1
	}
	g.identities, g.members = someNodes, someNodes
	return g
}

func (g *generator) chance(percent int) bool { return g.draw(100) < percent }

func (g *generator) name(kind string, n int) string { return fmt.Sprintf("%s%d", kind, g.draw(n)) }

// any makes a command of any kind.
func (g *generator) any() *record.Command {
	c := g.anyBody()
	c.NowUnixMs = int64(g.draw(100))
	return c
}

func (g *generator) anyBody() *record.Command {
	switch g.draw(39) {
	case 0:
		return openSession(g.name("session", someSessions))
	case 1:
		return g.closeSession()
	case 2:
		return &record.Command{Body: &record.Command_CreateUpload{CreateUpload: &record.CreateUpload{
			Call: g.call(100), Upload: id(g.name("upload", someUploads)), Bucket: []string{"random", "random", "random", "other"}[g.draw(4)],
		}}}
	case 3, 4:
		return g.appendUpload()
	case 5:
		return &record.Command{Body: &record.Command_AbortUpload{AbortUpload: &pb.UploadAbortRequest{
			Call: g.call(50), Upload: id(g.name("upload", someUploads)),
		}}}
	case 6:
		return g.delete()
	case 7, 8, 9:
		return g.unreference()
	case 10:
		return g.copied()
	case 11:
		return g.register()
	case 12, 13, 14, 15, 16, 17, 18, 19, 20, 21:
		return g.work()
	case 26, 27, 28:
		return g.trash()
	case 29, 30, 31, 32:
		return g.bulk()
	case 33, 34, 35, 36, 37, 38:
		return g.placement()
	}
	return g.commit()
}

func (g *generator) closeSession() *record.Command {
	return &record.Command{Body: &record.Command_CloseSession{CloseSession: &record.CloseSession{
		Session: id(g.name("session", someSessions)), Expire: g.chance(70), IfHighest: uint64(g.draw(8)),
	}}}
}

// call is nil in some of a hundred; else mostly the next sequence, sometimes one
// of before, far ahead or malformed.
func (g *generator) call(percent int) *pb.Call {
	if !g.chance(percent) {
		return nil
	}
	session := g.name("session", someSessions)
	g.next[session]++
	sequence := g.next[session]
	lowest := uint64(0)
	switch g.draw(10) {
	case 0:
		sequence = uint64(1 + g.draw(int(sequence)))
	case 1:
		sequence += uint64(g.draw(100))
		if g.chance(90) {
			sequence = g.next[session]
		}
	case 2, 3, 4:
		lowest = sequence - uint64(g.draw(int(min(sequence, 4))))
	}
	c := g.m.call(session, sequence, lowest)
	if g.chance(5) {
		// Of another opening of the session, perhaps.
		c.Opened.Counter = uint64(1 + g.draw(40))
	}
	c.NoneUploading = g.chance(50)
	return c
}

func (g *generator) blocks() *pb.Blocks {
	texts := make([]string, 1+g.draw(4))
	for i := range texts {
		texts[i] = g.name("block", someBlocks)
	}
	return blocksOf(texts...)
}

func (g *generator) claims(blocks *pb.Blocks) []*pb.Claim {
	var out []*pb.Claim
	for i := range blocks.PlainSizes {
		for range g.draw(4) {
			out = append(out, g.claim(uint32(i)))
		}
	}
	return out
}

func (g *generator) claim(block uint32) *pb.Claim {
	node := uint32(1 + g.draw(len(g.incarnation)+1))
	c := &pb.Claim{Block: block, Node: node, Incarnation: g.incarnation[node], Generation: 1, Counter: g.m.Version().Counter, Ack: uint64(g.draw(50))}
	switch g.draw(12) {
	case 0:
		c.Incarnation--
	case 1:
		c.Counter += 1 + uint64(g.draw(3))
	case 2:
		c.Generation = uint32(2 * g.draw(2))
	case 3:
		c.Disk = 1
	case 4, 5, 6:
		c.Counter -= min(c.Counter, uint64(g.draw(30)))
	}
	return c
}

func (g *generator) precondition() *pb.Precondition {
	switch g.draw(6) {
	case 0:
		return &pb.Precondition{Kind: pb.Precondition_IF_ABSENT}
	case 1:
		back := min(g.m.Version().Counter-1, uint64(g.draw(8)))
		return &pb.Precondition{Kind: pb.Precondition_IF_VERSION, Version: &pb.Version{Generation: 1, Counter: g.m.Version().Counter - back}}
	}
	return nil
}

func (g *generator) commit() *record.Command {
	q := &pb.CommitRequest{Call: g.call(60), Bucket: "random", Name: g.name("name", someNames), Precondition: g.precondition()}
	switch g.draw(8) {
	case 0:
		q.Inline = []byte("inline bytes")
		q.Size = uint64(len(q.Inline))
	case 1, 2:
		q.Upload = id(g.name("upload", someUploads))
		q.Size = uint64(g.size[string(q.Upload)])
		if g.chance(10) {
			q.Size += 100
		}
	default:
		q.Blocks = g.blocks()
		q.Claims = g.claims(q.Blocks)
		q.Size = 100 * uint64(len(q.Blocks.PlainSizes))
	}
	return commitCommand(q)
}

func (g *generator) appendUpload() *record.Command {
	q := &pb.UploadAppendRequest{Call: g.call(50), Upload: id(g.name("upload", someUploads)), Blocks: g.blocks()}
	q.Page = uint32(g.pages[string(q.Upload)])
	if g.chance(10) {
		q.Page = uint32(g.draw(3))
	}
	q.Claims = g.claims(q.Blocks)
	return &record.Command{Body: &record.Command_AppendUpload{AppendUpload: q}}
}

func (g *generator) delete() *record.Command {
	q := &pb.DeleteRequest{Call: g.call(60), Bucket: "random"}
	for range 1 + g.draw(3) {
		item := &pb.DeleteItem{Name: g.name("name", someNames), Precondition: g.precondition()}
		if item.Precondition.GetKind() == pb.Precondition_IF_ABSENT {
			item.Precondition = nil
		}
		q.Items = append(q.Items, item)
	}
	return &record.Command{Body: &record.Command_Delete{Delete: q}}
}

// unreference works on jobs that exist, sometimes with a cursor of before.
func (g *generator) unreference() *record.Command {
	jobs, err := state.Jobs(g.m.table, 20)
	if err != nil {
		g.m.tb.Fatal(err)
	}
	q := &record.Unreference{Steps: []*record.UnreferenceStep{{Job: &pb.Version{Generation: 1, Counter: 1}, Count: 1}}}
	for range 1 + g.draw(3) {
		if len(jobs) == 0 {
			break
		}
		job := jobs[g.draw(len(jobs))]
		step := &record.UnreferenceStep{Job: versionPB(job.Job), Cursor: job.Cursor, Count: uint32(1 + g.draw(5))}
		if g.chance(10) {
			step.Cursor = uint64(g.draw(4))
		}
		q.Steps = append(q.Steps, step)
	}
	return &record.Command{Body: &record.Command_Unreference{Unreference: q}}
}

func (g *generator) copied() *record.Command {
	blocks := g.blocks()
	return &record.Command{Body: &record.Command_Copied{Copied: &pb.ClaimsRequest{Blocks: blocks, Claims: g.claims(blocks)}}}
}

func (g *generator) register() *record.Command {
	node := uint32(1 + g.draw(int(g.identities)))
	if g.members < someNodes+2 && g.chance(20) {
		node = g.identities + 1
	}
	if g.chance(70) {
		g.starts++
	}
	c := register(node, 1+min(g.starts, 200))
	c.GetRegister().Disks[0].Acks = uint64(g.draw(60))
	if g.chance(10) {
		c.GetRegister().HighestSeen = versionPB(protocol.Version{Generation: 1, Counter: g.m.Version().Counter - uint64(g.draw(2))})
	}
	return c
}

// learn keeps what the answer to a command tells.
func (g *generator) learn(c *record.Command, r *record.Result) {
	if r.Kind != 0 {
		return
	}
	switch body := c.Body.(type) {
	case *record.Command_Commit:
		g.accepted++
	case *record.Command_RemoveNode:
		g.members = uint32(len(g.nodes(func(n *record.Node) bool { return n.State != pb.NodeState_NODE_STATE_REMOVED })))
	case *record.Command_Register:
		if string(body.Register.Identity) == string(numbered("node", g.identities+1)) {
			g.identities++
			g.members++
		}
		g.incarnation[r.GetRegister().Node] = r.GetRegister().Incarnation
	case *record.Command_CloseSession:
		for i := range someSessions {
			if name := fmt.Sprintf("session%d", i); string(id(name)) == string(body.CloseSession.Session) {
				g.next[name] = 0
			}
		}
	case *record.Command_CreateUpload:
		g.pages[string(body.CreateUpload.Upload)], g.size[string(body.CreateUpload.Upload)] = 0, 0
	case *record.Command_AppendUpload:
		g.pages[string(body.AppendUpload.Upload)]++
		g.size[string(body.AppendUpload.Upload)] += 100 * len(body.AppendUpload.Blocks.PlainSizes)
	}
}
