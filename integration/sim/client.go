package sim

import (
	"fmt"
	"slices"

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
	// opened is the version that opened the session, asked what was asked to open it
	// and under it.
	opened *pb.Version
	asked  []func() *record.Command
	seq    uint64
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
		c.busy = false
		c.leave()
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
	case w.shape.keepMs > 0 && w.chance(0.3):
		c.undelete()
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

// openSession asks under one id, however often it asks.
func (c *client) openSession() {
	id := c.w.id()
	open := func() *record.Command {
		return &record.Command{Body: &record.Command_OpenSession{OpenSession: &record.OpenSession{Session: id}}}
	}
	c.ask(open, func(_ *record.Command, r *record.Result) {
		if r != nil && r.Kind == 0 {
			c.session, c.opened, c.seq, c.asked = id, r.Version, 0, []func() *record.Command{open}
		}
		c.done()
	})
}

// leave ends what the client has to do with its session.
func (c *client) leave() {
	c.w.echo(c.asked)
	c.session, c.opened, c.asked, c.seq = nil, nil, nil, 0
}

func (c *client) closeSession() {
	session := c.session
	c.leave()
	c.ask(func() *record.Command {
		return &record.Command{Body: &record.Command_CloseSession{CloseSession: &record.CloseSession{Session: session}}}
	}, func(*record.Command, *record.Result) { c.done() })
}

// call asks within the session, under its next sequence.
func (c *client) call(oldest protocol.Version, cmd func(*pb.Call) *record.Command, heard func(*record.Result)) {
	c.seq++
	call := &pb.Call{Session: c.session, Opened: c.opened, Sequence: c.seq, LowestUnacked: c.seq}
	if !oldest.IsZero() {
		call.OldestUpload = wire(oldest)
	}
	// Said falsely too: it only decides when Reap is tried.
	call.NoneUploading = c.w.chance(0.5)
	made := func() *record.Command { return cmd(call) }
	c.asked = append(c.asked, made)
	c.ask(made, func(_ *record.Command, r *record.Result) {
		if k := protocol.Kind(r.GetKind()); r == nil || k == protocol.SessionExpired {
			c.leave()
		}
		heard(r)
	})
}

func (c *client) name() string { return fmt.Sprintf("object%d", c.w.n(c.w.shape.names)) }

// bucket draws one.
func (w *world) bucket() string { return w.shape.buckets[w.n(len(w.shape.buckets))] }

func (c *client) remove() {
	w := c.w
	if w.shape.prefixes && w.chance(0.5) {
		c.removePrefix()
		return
	}
	q := &pb.DeleteRequest{Bucket: w.bucket()}
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

// removePrefix begins to delete all objects of a prefix; leaders carry it on.
func (c *client) removePrefix() {
	name := c.name()
	q := &pb.DeletePrefixRequest{Bucket: c.w.bucket(), Prefix: name[:len(name)-c.w.n(2)]}
	c.call(protocol.Version{}, func(call *pb.Call) *record.Command {
		q.Call = call
		return &record.Command{Body: &record.Command_DeletePrefix{DeletePrefix: q}}
	}, func(*record.Result) { c.done() })
}

// undelete brings some object back, perhaps in place of another.
func (c *client) undelete() {
	q := &pb.UndeleteRequest{Bucket: c.w.bucket(), Name: c.name()}
	if c.w.chance(0.5) {
		q.Precondition = &pb.Precondition{}
	}
	c.call(protocol.Version{}, func(call *pb.Call) *record.Command {
		q.Call = call
		return &record.Command{Body: &record.Command_Undelete{Undelete: q}}
	}, func(*record.Result) { c.done() })
}

// view is some server's state: what the client learns may be old.
func (c *client) view() *replica { return c.w.servers[c.w.n(len(c.w.servers))].replica }

// store puts an object: what is refused is sent anew at a fresh version.
func (c *client) store(tries int) {
	j := c.begin(c.w.bucket())
	c.think(func() {
		j.send(func() {
			c.think(func() { c.commit(j, tries) })
		})
	})
}

// recall commits a block with no more than what the client was told some time ago;
// mostly one that orders of a lost future are about to delete.
func (c *client) recall() {
	if c.busy || c.session == nil || len(c.pool) == 0 {
		return
	}
	c.busy = true
	i := c.pool[c.w.n(len(c.pool))].block
	for range 5 {
		if slices.ContainsFunc(c.w.ghosts, func(b lateBatch) bool { return b.deletes(c.w.blocks[i].hash) }) {
			break
		}
		i = c.pool[c.w.n(len(c.pool))].block
	}
	j := &job{client: c, bucket: c.w.bucket(), blocks: []int{i}, live: make([]bool, 1)}
	j.claims = append(j.claims, c.pool...)
	c.commit(j, 0)
}

func (c *client) commit(j *job, tries int) {
	if c.session == nil {
		c.done()
		return
	}
	q := &pb.CommitRequest{Bucket: j.bucket, Name: c.name()}
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

// upload stores an object of pages: create, append, and commit, abort or forget.
func (c *client) upload() {
	w := c.w
	id, bucket := w.id(), w.bucket()
	c.call(protocol.Version{}, func(call *pb.Call) *record.Command {
		return &record.Command{Body: &record.Command_CreateUpload{CreateUpload: &record.CreateUpload{Call: call, Upload: id, Bucket: bucket}}}
	}, func(r *record.Result) {
		a := r.GetCreateUpload()
		if a == nil || r.Kind != 0 {
			c.done()
			return
		}
		c.page(bucket, a.Upload, 0, uint32(1+w.n(2)), 0)
	})
}

func (c *client) page(bucket string, upload []byte, page, pages uint32, size uint64) {
	if page == pages || c.session == nil {
		c.finish(bucket, upload, size)
		return
	}
	j := c.begin(bucket)
	c.think(func() {
		j.send(func() {
			if c.session == nil {
				c.done()
				return
			}
			q := &pb.UploadAppendRequest{Upload: upload, Page: page}
			added := uint64(0)
			q.Blocks, q.Claims, added = j.content()
			c.call(j.at, func(call *pb.Call) *record.Command {
				q.Call = call
				return &record.Command{Body: &record.Command_AppendUpload{AppendUpload: q}}
			}, func(r *record.Result) {
				if r == nil || r.Kind != 0 {
					c.finish(bucket, upload, size)
					return
				}
				c.page(bucket, upload, page+1, pages, size+added)
			})
		})
	})
}

func (c *client) finish(bucket string, upload []byte, size uint64) {
	w := c.w
	switch {
	case c.session == nil || w.chance(0.2):
		c.done()
	case w.chance(0.3):
		c.call(protocol.Version{}, func(call *pb.Call) *record.Command {
			return &record.Command{Body: &record.Command_AbortUpload{AbortUpload: &pb.UploadAbortRequest{Call: call, Upload: upload}}}
		}, func(*record.Result) { c.done() })
	default:
		to := bucket
		if w.chance(0.3) {
			to = w.bucket()
		}
		q := &pb.CommitRequest{Bucket: to, Name: c.name(), Upload: upload, Size: size}
		c.call(protocol.Version{}, func(call *pb.Call) *record.Command {
			q.Call = call
			return &record.Command{Body: &record.Command_Commit{Commit: q}}
		}, func(r *record.Result) {
			if protocol.Kind(r.GetKind()) == protocol.InvalidArgument && to != bucket {
				// It was made for another bucket, and is as good as before.
				c.finish(bucket, upload, size)
				return
			}
			c.done()
		})
	}
}
