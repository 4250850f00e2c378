package state_test

import (
	"fmt"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// twin is the obvious state machine: maps, flat lists of blocks, no rows, no
// window bits, written from reclamation.md alone. It knows one generation, one
// disk a node, and well-formed commands.
type twin struct {
	version  uint64
	nodes    map[uint32]*twinNode
	blocks   map[string]*twinBlock
	objects  map[string]*twinObject
	uploads  map[string]*twinUpload
	jobs     map[uint64]*twinJob
	sessions map[string]*twinSession
	// identities number the nodes, work is the schedule.
	identities map[string]uint32
	work       map[twinRow]*twinWork
	watermark  uint64
	// settings is their version.
	quorum, redundancy int
	settings, grace    uint64
	// wanted is the layout, which has tests of its own.
	wanted func(hash string) []uint32
}

type twinNode struct {
	incarnation, acks, due uint64
	starts                 []string
	removed, cleaned       bool
	cursor                 string
}

type twinBlock struct {
	refs, floor   uint64
	condemned     bool
	copies, drops map[uint32]uint64
	pending       []uint32
}

type twinObject struct {
	version, size uint64
	blocks        []string
	upload        string
}

type twinUpload struct {
	session string
	pages   int
	blocks  []string
	closed  bool
}

type twinJob struct {
	blocks []string
	cursor uint64
	upload string
}

type twinSession struct {
	lowest, highest, oldest uint64
	results                 map[uint64]string
}

const twinF = 1

// apply returns what the machine's result must print as.
func (w *twin) apply(c *record.Command) string {
	answer := w.run(c)
	w.derive(c.NowUnixMs)
	return answer
}

func (w *twin) run(c *record.Command) string {
	switch body := c.Body.(type) {
	case *record.Command_OpenSession:
		return w.openSession(string(body.OpenSession.Session))
	case *record.Command_CloseSession:
		return w.closeSession(body.CloseSession)
	case *record.Command_CreateUpload:
		return w.once(body.CreateUpload.Call, func() string { return w.createUpload(body.CreateUpload) })
	case *record.Command_AppendUpload:
		return w.once(body.AppendUpload.Call, func() string { return w.appendUpload(body.AppendUpload) })
	case *record.Command_AbortUpload:
		return w.once(body.AbortUpload.Call, func() string { return w.abortUpload(string(body.AbortUpload.Upload)) })
	case *record.Command_Commit:
		return w.once(body.Commit.Call, func() string { return w.commit(body.Commit) })
	case *record.Command_Delete:
		return w.once(body.Delete.Call, func() string { return w.delete(body.Delete) })
	case *record.Command_Unreference:
		return w.unreference(body.Unreference)
	case *record.Command_Copied:
		return w.copied(body.Copied)
	case *record.Command_Register:
		return w.register(body.Register)
	}
	return w.runWork(c)
}

func (w *twin) say(kind protocol.Kind) string {
	if kind == 0 {
		return fmt.Sprintf("ok 1.%d", w.version)
	}
	return fmt.Sprintf("%s 1.%d", kind, w.version)
}

func (w *twin) next() uint64 { w.version++; return w.version }

func (w *twin) once(c *pb.Call, rule func() string) string {
	if c == nil {
		return rule()
	}
	s := w.sessions[string(c.Session)]
	if s == nil {
		return w.say(protocol.SessionExpired)
	}
	lowest := max(s.lowest, c.LowestUnacked)
	if c.Sequence < lowest {
		return w.say(protocol.StaleRequest)
	}
	if before, ok := s.results[c.Sequence]; ok {
		return before
	}
	if c.Sequence >= lowest+protocol.SessionWindow {
		return w.say(protocol.LimitExceeded)
	}
	answer := rule()
	s.results[c.Sequence] = answer
	s.lowest, s.highest = lowest, max(s.highest, c.Sequence)
	if oldest := c.OldestUpload.GetCounter(); oldest <= w.version {
		s.oldest = max(s.oldest, oldest)
	}
	for sequence := range s.results {
		if sequence < lowest {
			delete(s.results, sequence)
		}
	}
	return answer
}

func (w *twin) openSession(id string) string {
	if s := w.sessions[id]; s != nil {
		if s.highest > 0 {
			return w.say(protocol.PreconditionFailed)
		}
		return w.say(0)
	}
	w.sessions[id] = &twinSession{lowest: 1, results: map[uint64]string{}, oldest: w.next()}
	return w.say(0)
}

func (w *twin) closeSession(q *record.CloseSession) string {
	s := w.sessions[string(q.Session)]
	if s == nil {
		return w.say(protocol.SessionExpired)
	}
	if q.Expire && q.IfHighest != s.highest {
		return w.say(protocol.Changed)
	}
	delete(w.sessions, string(q.Session))
	w.next()
	for _, id := range sortedKeys(w.uploads) {
		if u := w.uploads[id]; !u.closed && u.session == string(q.Session) {
			w.endUpload(id)
		}
	}
	return w.say(0)
}

func (w *twin) createUpload(q *record.CreateUpload) string {
	if w.uploads[string(q.Upload)] != nil {
		return w.say(protocol.PreconditionFailed)
	}
	w.uploads[string(q.Upload)] = &twinUpload{session: string(q.Call.Session)}
	w.next()
	return w.say(0)
}

func (w *twin) appendUpload(q *pb.UploadAppendRequest) string {
	u := w.uploads[string(q.Upload)]
	if u == nil || u.closed {
		return w.say(protocol.NotFound)
	}
	if int(q.Page) != u.pages {
		return w.say(protocol.Changed)
	}
	if refused := w.reference(q.Blocks, q.Claims); refused != "" {
		return w.say(protocol.ClaimsRefused) + refused
	}
	u.pages++
	u.blocks = append(u.blocks, hashesOf(q.Blocks)...)
	w.next()
	return w.say(0)
}

func (w *twin) abortUpload(id string) string {
	if u := w.uploads[id]; u == nil || u.closed {
		return w.say(protocol.NotFound)
	}
	w.endUpload(id)
	return w.say(0)
}

func (w *twin) endUpload(id string) {
	w.endWith(&twinJob{blocks: w.uploads[id].blocks, upload: id}, w.next())
	w.closeUpload(id)
}

func (w *twin) closeUpload(id string) {
	if w.uploads[id].closed = true; len(w.uploads[id].blocks) == 0 {
		delete(w.uploads, id)
	}
}

func (w *twin) endWith(j *twinJob, version uint64) {
	if len(j.blocks) > 0 {
		w.jobs[version] = j
	}
}

func (w *twin) allows(p *pb.Precondition, o *twinObject) bool {
	switch p.GetKind() {
	case pb.Precondition_IF_ABSENT:
		return o == nil
	case pb.Precondition_IF_VERSION:
		return o != nil && o.version == p.Version.Counter
	}
	return true
}

func (w *twin) commit(q *pb.CommitRequest) string {
	old := w.objects[q.Name]
	if !w.allows(q.Precondition, old) {
		return w.say(protocol.PreconditionFailed)
	}
	object := &twinObject{size: q.Size, blocks: hashesOf(q.Blocks)}
	if len(q.Upload) > 0 {
		u := w.uploads[string(q.Upload)]
		if u == nil || u.closed {
			return w.say(protocol.NotFound)
		}
		if uint64(100*len(u.blocks)) != q.Size {
			return w.say(protocol.InvalidArgument)
		}
		object.blocks, object.upload = u.blocks, string(q.Upload)
		w.closeUpload(string(q.Upload))
	} else if refused := w.reference(q.Blocks, q.Claims); refused != "" {
		return w.say(protocol.ClaimsRefused) + refused
	}
	object.version = w.next()
	w.objects[q.Name] = object
	if old == nil {
		return w.say(0)
	}
	w.endWith(&twinJob{blocks: old.blocks, upload: old.upload}, object.version)
	return w.say(0) + fmt.Sprintf(" replaced 1.%d", old.version)
}

func (w *twin) delete(q *pb.DeleteRequest) string {
	kinds := ""
	for _, item := range q.Items {
		o := w.objects[item.Name]
		switch {
		case o == nil:
			kinds += " not-found"
		case !w.allows(item.Precondition, o):
			kinds += " precondition-failed"
		default:
			kinds += " none"
			w.endWith(&twinJob{blocks: o.blocks, upload: o.upload}, w.next())
			delete(w.objects, item.Name)
		}
	}
	return w.say(0) + kinds
}

func (w *twin) unreference(q *record.Unreference) string {
	applied, stale := 0, 0
	for _, step := range q.Steps {
		j := w.jobs[step.Job.Counter]
		if j == nil || j.cursor != step.Cursor {
			stale++
			continue
		}
		applied++
		for range step.Count {
			if j.cursor < uint64(len(j.blocks)) {
				w.blocks[j.blocks[j.cursor]].refs--
				j.cursor++
			}
		}
		if j.cursor == uint64(len(j.blocks)) {
			delete(w.jobs, step.Job.Counter)
			delete(w.uploads, j.upload)
		}
	}
	if applied > 0 {
		w.next()
	}
	return w.say(0) + fmt.Sprintf(" applied %d stale %d", applied, stale)
}

func (w *twin) copied(q *pb.ClaimsRequest) string {
	counted, changed := 0, false
	for i, hash := range hashesOf(q.Blocks) {
		block := w.blocks[hash]
		if block == nil || block.condemned || slices.Contains(hashesOf(q.Blocks)[:i], hash) {
			continue
		}
		for node, u := range w.believed(hash, block.floor, q.Blocks, q.Claims) {
			counted++
			changed = changed || block.copies[node] < u
			block.copies[node] = max(block.copies[node], u)
		}
	}
	if w.raiseAcks(q.Claims) || changed {
		w.next()
	}
	return w.say(0) + fmt.Sprintf(" counted %d", counted)
}

func (w *twin) register(q *pb.RegisterRequest) string {
	if q.HighestSeen.GetCounter() > w.version {
		return w.say(protocol.Unavailable)
	}
	node, known := w.identities[string(q.Identity)]
	if !known {
		node = uint32(len(w.nodes) + 1)
		w.identities[string(q.Identity)] = node
		w.nodes[node] = &twinNode{starts: []string{""}}
	}
	n := w.nodes[node]
	if n.removed {
		return w.say(protocol.Removed)
	}
	last := len(n.starts) - 1
	if n.starts[last] != string(q.Start) {
		if slices.Contains(n.starts[max(0, last-8):], string(q.Start)) {
			return w.say(protocol.StaleRequest)
		}
		n.starts = append(n.starts, string(q.Start))
		n.incarnation++
		if w.next(); q.Disks[0].Acks < n.acks {
			n.due = w.version
		}
		n.acks = q.Disks[0].Acks
	}
	out := w.say(0) + fmt.Sprintf(" node %d incarnation %d", node, n.incarnation)
	if n.due > 0 {
		out += " inventory due"
	}
	return out
}
