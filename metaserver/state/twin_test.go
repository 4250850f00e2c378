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
	// keep is the bucket's trash_keep_ms, keptSince the version that it was set at,
	// now the proposer's clock.
	keep, keptSince uint64
	// asked is the bucket's redundancy.
	asked int
	now   int64
	trash map[string]map[uint64]*twinTrashed
	twinBulk
	// places is what the layout's table of a redundancy says of a hash.
	places func(hash string, redundancy int) []uint32
	// layouts are those kept, the present one last; sweeps all there were.
	layouts []twinLayout
	sweeps  []*twinSweep
}

type twinNode struct {
	incarnation, acks, due uint64
	starts                 []string
	removed, cleaned, away bool
	state                  pb.NodeState
	cursor                 string
}

type twinBlock struct {
	refs, floor uint64
	// asked counts the references by what they ask for; 0: the cluster's.
	asked         [6]int
	condemned     bool
	copies, drops map[uint32]uint64
	pending       []uint32
	// moving is one more than the lane of its mark, or 0.
	moving int
}

type twinObject struct {
	version, size uint64
	blocks        []string
	upload        string
	asked         int
}

type twinUpload struct {
	session string
	bucket  string
	pages   int
	blocks  []string
	closed  bool
	asked   int
}

type twinJob struct {
	blocks []string
	cursor uint64
	upload string
	asked  int
}

type twinSession struct {
	opened, lowest, highest, oldest, uses uint64
	quiet                                 bool
	results                               map[uint64]string
}

const twinF = 1

// String is what a record holds beside its mark.
func (b *twinBlock) String() string {
	return fmt.Sprint(b.asked, b.floor, b.condemned, b.copies, b.drops, b.pending)
}

// apply returns what the machine's result must print as.
func (w *twin) apply(c *record.Command) string {
	w.now, w.asking = c.NowUnixMs, ""
	before, had := map[string]string{}, map[string][2]int{}
	for hash, b := range w.blocks {
		before[hash], had[hash] = b.String(), [2]int{w.redundancyOf(b), len(b.copies)}
	}
	answer := w.run(c)
	for hash, b := range w.blocks {
		if before[hash] != b.String() {
			w.rejudge(hash, had[hash])
		}
	}
	w.settleSweep()
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
	case *record.Command_DeletePrefix:
		return w.once(body.DeletePrefix.Call, func() string { return w.deletePrefix(body.DeletePrefix) })
	case *record.Command_Unreference:
		return w.unreference(body.Unreference)
	case *record.Command_Copied:
		return w.copied(body.Copied)
	case *record.Command_Register:
		return w.register(body.Register)
	}
	if answer, isTrash := w.runTrash(c); isTrash {
		return answer
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
	if s == nil || s.opened != c.Opened.GetCounter() {
		return w.say(protocol.SessionExpired)
	}
	lowest := max(s.lowest, c.LowestUnacked)
	if c.Sequence < lowest {
		return w.say(protocol.StaleRequest)
	}
	if before, ok := s.results[c.Sequence]; ok {
		s.uses++
		return before
	}
	if c.Sequence >= lowest+protocol.SessionWindow {
		return w.say(protocol.LimitExceeded)
	}
	w.asking = string(c.Session)
	answer := rule()
	s.results[c.Sequence] = answer
	s.uses++
	s.quiet = c.NoneUploading
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
		return fmt.Sprintf("ok 1.%d", s.opened)
	}
	w.sessions[id] = &twinSession{opened: w.next(), lowest: 1, results: map[uint64]string{}, oldest: w.version, quiet: true}
	return w.say(0)
}

func (w *twin) closeSession(q *record.CloseSession) string {
	s := w.sessions[string(q.Session)]
	if s == nil {
		return w.say(protocol.SessionExpired)
	}
	if q.Expire && (q.IfHighest != s.highest || q.IfUses != s.uses) {
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
	w.uploads[string(q.Upload)] = &twinUpload{session: string(q.Call.Session), bucket: q.Bucket, asked: w.askedBy(q.Bucket)}
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
	if refused := w.reference(q.Blocks, q.Claims, u.asked); refused != "" {
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
	w.endWith(&twinJob{blocks: w.uploads[id].blocks, upload: id, asked: w.uploads[id].asked}, w.next())
	if len(w.uploads[id].blocks) > 0 {
		w.audit(6, " upload %x", id)
	}
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

func hashesOf(b *pb.Blocks) []string {
	var out []string
	for i := range b.GetPlainSizes() {
		out = append(out, string(b.Hashes[32*i:32*i+32]))
	}
	return out
}

// believed claims on a hash, the largest u of each node.
func (w *twin) believed(hash string, floor uint64, b *pb.Blocks, claims []*pb.Claim) map[uint32]uint64 {
	out := map[uint32]uint64{}
	for _, c := range claims {
		n := w.nodes[c.Node]
		if hashesOf(b)[c.Block] == hash && n != nil && !n.removed && n.incarnation == c.Incarnation && c.Disk == 0 &&
			c.Generation == 1 && c.Counter >= floor && c.Counter <= w.version {
			out[c.Node] = max(out[c.Node], c.Counter)
		}
	}
	return out
}

func (w *twin) raiseAcks(claims []*pb.Claim) (rose bool) {
	for _, c := range claims {
		n := w.nodes[c.Node]
		if n != nil && !n.removed && n.incarnation == c.Incarnation && c.Disk == 0 && (c.Generation == 0 || c.Generation == 1 && c.Counter <= w.version) && n.acks < c.Ack {
			n.acks, rose = c.Ack, true
		}
	}
	return rose
}

// reference judges every hash of a request on a copy, and keeps the copies if
// none is refused.
func (w *twin) reference(b *pb.Blocks, claims []*pb.Claim, asked int) (refused string) {
	after := map[string]*twinBlock{}
	for _, hash := range hashesOf(b) {
		if after[hash] == nil {
			after[hash] = w.judge(hash, b, claims, asked)
		}
		if after[hash] != nil {
			after[hash].refs++
			after[hash].asked[asked]++
		}
	}
	for _, hash := range sortedKeys(after) {
		if after[hash] == nil {
			refused += fmt.Sprintf(" %x", hash[:4])
		}
	}
	if refused != "" {
		return " refused" + refused
	}
	for hash, block := range after {
		w.blocks[hash] = block
	}
	w.raiseAcks(claims)
	return ""
}

// judge returns the block as the commit leaves it, references left as they were.
func (w *twin) judge(hash string, b *pb.Blocks, claims []*pb.Claim, asked int) *twinBlock {
	old := w.blocks[hash]
	if old == nil {
		old = &twinBlock{condemned: true, floor: max(twinF, w.watermark)}
	}
	believed := w.believed(hash, old.floor, b, claims)
	block := &twinBlock{refs: old.refs, asked: old.asked, floor: old.floor, copies: believed, drops: map[uint32]uint64{}, moving: old.moving}
	becomes := *block
	becomes.refs++
	becomes.asked[asked]++
	quorum := min(w.quorum, w.redundancyOf(&becomes))
	if old.condemned {
		for _, node := range old.pending {
			if believed[node] == 0 {
				block.drops[node] = old.floor
			}
		}
		if len(believed) < quorum {
			return nil
		}
		return block
	}
	for node, u := range old.copies {
		block.copies[node] = max(block.copies[node], u)
	}
	for node, t := range old.drops {
		block.drops[node] = t
	}
	trusted := 0
	for node, u := range block.copies {
		if w.trusts(node, u) {
			trusted++
		}
	}
	if trusted < quorum {
		return nil
	}
	return block
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
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
