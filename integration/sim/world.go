// Package sim runs a whole cluster in one goroutine from one seed: the real
// state machine, planner and block store, with everything around them made up.
//
// The log is a slice. Three metaservers apply it at their own speeds, so that a
// leader, and each leader that was deposed and does not know it, is a view of a
// prefix; exactly one is right, and the others plan and send all the same. Their
// plans are those of package schedule, carried out as package dispatch does.
// Blockservers are the real store on crashfs and the real orders.Worker, called
// one operation at a time: the store's committer has a goroutine of its own, and
// as long as one operation is under way on a node, what it does and in which
// order follows from the operation alone. The network is a heap of messages with
// seeded delays that loses, repeats and reorders. Clients stall, crash and retry
// within sessions; what they asked in one that they have left comes again, its opening
// first. Nodes crash with unsynced writes lost, in the middle of an
// operation too; they vanish, are removed, get rotten bytes, failing syncs and
// disks restored from an old image. The metadata is restored from a backup and
// starts a generation. Operators drain nodes and think better of it, change
// weights and zones, stop nodes, balance and cancel sweeps, several at a time, and
// have buckets that share blocks ask for other numbers of copies; leaders take down of
// nodes whatever they like. Clocks differ, jump, stand still and run backwards. Some
// worlds are shaped for what is rare in the others: restores soon after backups, with
// delete orders of the lost future under way; disks that rot while readers look.
//
// After every event the checkers look at everything at once (checkers.go):
//
//   - copies: a counted, trusted copy is a good file at its version or above.
//   - survival: a referenced block has Q counted copies that exist, as long as no
//     disk lost one since its last commit.
//   - quorum: a block that is there gains references only with Q trusted copies.
//   - orders: no delete order of this generation can take a counted copy away.
//   - claims: what a node acknowledges is there.
//   - floors: fl(h) and W never fall.
//   - once: a sequence of a session has one outcome.
//   - agreement: replicas hold the same digest at the same index.
//   - drops: a drop leaves R trusted copies on nodes that count for placement.
//   - drained: a node that becomes drained holds no counted copy.
//   - marks: a copy on a node that is being emptied, or beyond the R that a block is
//     to have, is marked to be moved or dropped, or a sweep is still to come to it,
//     unless there is no better place.
//   - maintenance: a node that may stop leaves Q trusted copies of all it holds.
//   - redundancy: a block's R is no less than what any object with it asks for.
//   - objects: what a client was told is stored stays, until something that was
//     asked for later ends it; a delete of a prefix that is done has left nothing.
//   - state: the invariants of package state, the recount of counters included.
//   - quiet: after the faults stop, within a bounded number of events, nothing
//     dead is left: no row, no file, no work, and what lives has R copies; drains
//     have ended, nothing is marked, no sweep runs, each block stands on its target
//     set and nowhere else if there are R targets, and older layouts are retired.
//
// "Nothing waits on a clock" is not one of them: it is what the others show, since
// every run has arbitrary clocks.
//
// [Run] runs one seed and tells what failed; the same seed runs the same way
// again, and [Shrink] looks for less that still fails. [Mutants] lists what is
// left out, one rule at a time, to see that the checkers notice. Three checks of
// package state are no rules there, since nothing is lost without them, and only
// its own scenarios test them: the layout version of ChangeLayout, behind which the
// table's digest says the same and more; and the cursors of SweepStep and
// DeletePrefixStep, without which a step that comes twice does the next one's work.
package sim

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store/blockfile"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Options say what to run.
type Options struct {
	Seed uint64
	// Steps is how many events run before the faults stop; 0 means DefaultSteps.
	Steps int
	// Mutant is what is left out or done wrong; the zero one is nothing.
	Mutant Mutant
	// Off lists faults that do not happen.
	Off []Fault
	// Trace keeps what happened, for people.
	Trace bool
}

const (
	// DefaultSteps is enough for a block to live and die several times.
	DefaultSteps = 1500
	// QuietSteps bounds the events after the faults have stopped until nothing
	// dead may be left.
	QuietSteps = 12000
)

// Failure is a broken invariant.
type Failure struct {
	// Checker names it, as package sim's comment does.
	Checker string
	Text    string
	// Step counts the events before it.
	Step int
	// Trace is what happened, if it was kept.
	Trace []string
}

// Error is the checker and its text.
func (f *Failure) Error() string { return fmt.Sprintf("%s, step %d: %s", f.Checker, f.Step, f.Text) }

// Result is what a run did.
type Result struct {
	Steps   int
	Failure *Failure
	Cover   Cover
	// Fingerprint is the digest of the log and of what the nodes hold at the end:
	// equal for two runs of a seed.
	Fingerprint string
}

// Run runs one seed.
func Run(o Options) *Result {
	if o.Steps == 0 {
		o.Steps = DefaultSteps
	}
	w := &world{opt: o, rng: rand.New(rand.NewPCG(o.Seed, 0x61736c6172))}
	defer w.close()
	w.build()
	for w.step < o.Steps && w.failure == nil {
		w.next()
	}
	if w.failure == nil {
		w.quiet()
	}
	if w.failure != nil {
		w.failure.Trace = w.trace
	}
	return &Result{Steps: w.step, Failure: w.failure, Cover: w.cover, Fingerprint: w.fingerprint()}
}

// shape is what a seed draws of a world that stays.
type shape struct {
	nodes, blocks, names, clients int
	redundancy, quorum            uint32
	graceMs                       uint64
	pace                          int64
	// keepMs is what the bucket's trash keeps things for, while it is on; 0: this
	// world has no trash. It follows from the seed alone.
	keepMs uint64
	// buckets are those that there are; where there are several, each asks for
	// one of copies, which is changed now and then. They follow from the seed alone.
	buckets []string
	copies  []uint32
	// moves: in this world operators change the layout and leaders nodes' states.
	// prefixes: clients delete prefixes. They follow from the seed alone, too.
	moves, prefixes bool
}

// block is one content that clients store.
type block struct {
	hash  protocol.Hash
	plain []byte
}

// world is one cluster and everything around it. It runs in one goroutine.
type world struct {
	opt    Options
	rng    *rand.Rand
	now    int64
	step   int
	number uint64
	events events
	shape  shape
	rates  [faultEnd]float64
	// restless: little happens but that the metadata is restored again and again;
	// frail: but that disks rot.
	restless, frail bool
	// calm: the faults have stopped. draining: clients only take away.
	calm, draining bool

	log     *ledger
	servers []*server
	nodes   []*node
	clients []*client
	blocks  []block
	codec   *blockfile.Codec
	frames  [][]byte

	// late are the last batches with delete orders, ghosts those of lost futures;
	// holding: the network keeps them to itself for now. regretting: a backup that was
	// taken is about to be put back.
	late, ghosts        []lateBatch
	holding, regretting bool

	facts   facts
	cover   Cover
	trace   []string
	failure *Failure
}

func (w *world) build() {
	w.draw()
	codec, err := blockfile.NewCodec()
	if err != nil {
		w.violated("setup", "%v", err)
		return
	}
	w.codec = codec
	for i := range w.shape.blocks {
		plain := make([]byte, 20+w.n(300))
		for j := range plain {
			plain[j] = byte(w.rng.Uint32())
		}
		w.blocks = append(w.blocks, block{protocol.HashOf(plain), plain})
		w.say("%s is %s", w.name(i), short(w.blocks[i].hash[:]))
		w.frames = append(w.frames, codec.Compress(w.blocks[i].plain, nil))
	}
	w.facts.init(w)
	w.log = newLedger(w)
	for i := range 3 {
		w.servers = append(w.servers, newServer(w, i))
	}
	w.log.bootstrap(&record.Settings{Redundancy: w.shape.redundancy, Quorum: w.shape.quorum, FeatureLevel: 1, GraceMs: w.shape.graceMs})
	w.elect(w.servers[0])
	for range w.shape.nodes {
		w.addNode()
	}
	for i := range w.shape.clients {
		w.clients = append(w.clients, newClient(w, i))
	}
	w.after(50, w.chaos)
}

// draw makes the world's shape, and which faults happen how often: in each seed
// only some, so that what one needs is not drowned by others.
func (w *world) draw() {
	pairs := [][2]uint32{{1, 1}, {2, 1}, {2, 2}, {3, 2}, {2, 1}, {2, 2}}
	pair := pairs[w.n(len(pairs))]
	w.shape = shape{
		nodes: int(pair[0]) + w.n(3), blocks: 1 + w.n(4), names: 1 + w.n(4), clients: 1 + w.n(4),
		redundancy: pair[0], quorum: pair[1], graceMs: uint64(w.n(2) * w.n(200)), pace: int64(1 + w.n(4)),
	}
	w.shape.nodes = max(w.shape.nodes, 2)
	if w.opt.Seed%3 == 0 {
		w.shape.keepMs = 1 + w.opt.Seed*7919%1500
	}
	w.shape.buckets = []string{"bucket", "few", "many"}
	if w.opt.Seed%7 >= 3 {
		w.shape.buckets = w.shape.buckets[:1]
	} else {
		w.shape.nodes += w.n(3)
		w.shape.copies = []uint32{0, 1, 1 + uint32(w.opt.Seed/7%5)}
	}
	w.shape.moves, w.shape.prefixes = w.opt.Seed%4 < 2, w.opt.Seed%5 < 3
	w.restless = w.chance(0.15)
	w.frail = !w.restless && w.chance(0.15)
	for f := range faultEnd {
		w.rates[f] = faultRates[f] * float64(w.n(3))
		switch {
		case w.restless:
			w.rates[f] = restlessRates[f]
		case w.frail:
			w.rates[f] = frailRates[f]
		}
		if slices.Contains(w.opt.Off, f) {
			w.rates[f] = 0
		}
	}
}

func (w *world) close() {
	for _, n := range w.nodes {
		n.shut()
	}
	if w.codec != nil {
		w.codec.Close()
	}
}

// n draws from [0, most).
func (w *world) n(most int) int {
	if most <= 1 {
		return 0
	}
	return w.rng.IntN(most)
}

// chance is true once in every so many draws.
func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

// id draws 128 bits.
func (w *world) id() []byte {
	b := make([]byte, len(protocol.ID{}))
	for i := range b {
		b[i] = byte(w.rng.Uint32())
	}
	b[0] |= 1
	return b
}

// Read draws bytes, for the stores' ids.
func (w *world) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(w.rng.Uint32())
	}
	return len(p), nil
}

// blockOf returns a hash's place among the world's blocks, -1 if it is none.
func (w *world) blockOf(h []byte) int {
	return slices.IndexFunc(w.blocks, func(b block) bool { return string(b.hash[:]) == string(h) })
}

func (w *world) violated(checker, format string, args ...any) {
	if w.failure == nil {
		w.failure = &Failure{Checker: checker, Text: fmt.Sprintf(format, args...), Step: w.step}
		w.say("BROKEN %s: %s", checker, w.failure.Text)
	}
}

// say notes what happens, if anybody wants to know.
func (w *world) say(format string, args ...any) {
	if w.opt.Trace {
		w.trace = append(w.trace, fmt.Sprintf("%5d %7dms  %s", w.step, w.now, fmt.Sprintf(format, args...)))
	}
}

// event is something that happens at a time. Of two at one time the one thought
// of first comes first.
type event struct {
	at     int64
	number uint64
	fn     func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].number < e[j].number
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	old[len(old)-1] = event{}
	*e = old[:len(old)-1]
	return last
}

// after has fn happen in so many milliseconds.
func (w *world) after(ms int64, fn func()) {
	w.number++
	heap.Push(&w.events, event{w.now + ms, w.number, fn})
}

// next lets one event happen and looks at the world.
func (w *world) next() {
	e := heap.Pop(&w.events).(event)
	w.now = e.at
	w.step++
	e.fn()
	if w.failure == nil {
		w.check()
	}
}

// send carries a message: it may be late, lost, or arrive again.
func (w *world) send(fn func()) {
	if w.hits(FaultDrop) {
		return
	}
	w.after(w.delay(), fn)
	if w.hits(FaultDuplicate) {
		w.after(w.delay()*int64(1+w.n(60)), fn)
	}
}

func (w *world) delay() int64 {
	switch {
	case w.calm:
		return int64(1 + w.n(3))
	case w.hits(FaultDelay):
		return int64(50 + w.n(2000))
	}
	return w.shape.pace * int64(1+w.n(10))
}

// fingerprint sums the run up.
func (w *world) fingerprint() string {
	sum := fmt.Appendf(nil, "%d %d %x", w.step, w.now, w.log.digest())
	for _, n := range w.nodes {
		for _, f := range n.files {
			sum = fmt.Appendf(sum, " %s %t", f.version, f.good)
		}
	}
	return protocol.HashOf(sum).Short()
}
