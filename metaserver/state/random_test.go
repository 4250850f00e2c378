package state_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// TestTwin runs random commands on the machine and on its dumb twin: same
// answers, same state, every invariant after each. rapid prints the seed of a
// failure, and -rapid.seed repeats it.
func TestTwin(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := bootstrapped(t, someNodes)
		g := newGenerator(m, uniform(rt))
		w := newTwin(m)
		for range rapid.IntRange(1, max(60, runLength(3000))).Draw(rt, "steps") {
			c := g.any()
			got := m.one(c)
			g.learn(c, got)
			if text, want := plainResult(got), w.apply(c); text != want {
				rt.Fatalf("%v\nanswered %s\nexpected %s", c, text, want)
			}
			if text, want := describe(rt, m), w.print(); text != want {
				rt.Fatalf("after %v\nstate\n%s\nexpected\n%s", c, text, want)
			}
		}
	})
}

// uniform draws from one seed: rapid's own numbers favour the small ones, under
// which few commands would succeed. What rapid shrinks is the number of steps.
func uniform(rt *rapid.T) func(int) int {
	return rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0)).IntN
}

func newTwin(m *machine) *twin {
	w := &twin{
		version: m.Version().Counter, nodes: map[uint32]*twinNode{}, blocks: map[string]*twinBlock{}, objects: map[string]*twinObject{},
		uploads: map[string]*twinUpload{}, jobs: map[uint64]*twinJob{}, sessions: map[string]*twinSession{},
		trash: map[string]map[uint64]*twinTrashed{}, identities: map[string]uint32{}, work: map[twinRow]*twinWork{}, quorum: 2, redundancy: 3, settings: 1,
	}
	w.places = func(hash string, redundancy int) []uint32 {
		p, err := state.PlacingOf(m.table)
		if err != nil {
			m.tb.Fatal(err)
		}
		return p.Places([]byte(hash), &record.Block{Refs: 1, Levels: []*record.Level{{Redundancy: uint32(redundancy), Refs: 1}}})
	}
	w.layouts = []twinLayout{{someNodes + 1, "current"}}
	for i := range uint32(someNodes) {
		w.identities[string(numbered("node", i+1))] = i + 1
		w.nodes[i+1] = &twinNode{incarnation: 1, state: up, starts: []string{string(register(i+1, 1).GetRegister().Start)}}
	}
	return w
}

func plainResult(r *record.Result) string {
	// The scenario's printer, with a kept answer's text left out.
	plain := &scenario{}
	return strings.TrimSuffix(strings.TrimSuffix(strings.ReplaceAll(plain.printResult(r), ",", " "), "\n"), " (as before)")
}

// describe is twin.print for the machine.
func describe(rt *rapid.T, m *machine) string {
	var out strings.Builder
	check := func(err error) {
		if err != nil {
			rt.Fatal(err)
		}
	}
	for i := range someBlocks {
		hash := protocol.HashOf(fmt.Appendf(nil, "block%d", i))
		info, err := state.BlockInfo(m.table, &pb.BlockInfoRequest{Hash: hash[:]})
		check(err)
		out.WriteString(describeBlock(i, info))
	}
	for i := range someNames {
		out.WriteString(describeObject(rt, m, fmt.Sprintf("name%d", i)))
	}
	jobs, err := state.Jobs(m.table, 1000)
	check(err)
	for _, j := range jobs {
		fmt.Fprintf(&out, "job %s cursor %d left %d\n", j.Job, j.Cursor, j.Left)
	}
	sessions, err := state.Sessions(m.table, protocol.ID{}, 1000)
	check(err)
	for _, s := range sessions {
		fmt.Fprintf(&out, "session %x highest %d lowest %d oldest %s uses %d quiet %v opened %s\n", s.Session[:], s.Highest, s.LowestUnacked, s.OldestUpload, s.Uses, s.NoneUploading, s.Opened)
	}
	check(describeTrash(m, &out))
	check(describeWork(m, &out))
	check(describeBulk(m, &out))
	check(describePlacement(m, &out))
	return out.String()
}

// describeWork is twin.printWork for the machine.
func describeWork(m *machine, out *strings.Builder) error {
	nodes, err := state.Nodes(m.table)
	if err != nil {
		return err
	}
	for i, n := range nodes {
		fmt.Fprintf(out, "node %d incarnation %d %s away %v cleaned %v up to %x critical %d copies %d owes %d\n", i+1, n.Incarnation,
			n.State, n.Away, n.Cleaned, n.CleanCursor, n.CriticalBlocks, n.Copies, n.OwedDeletes)
	}
	cluster, err := state.ClusterRow(m.table)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "watermark %d\n", cluster.Watermark.GetCounter())
	return state.ScanWork(m.table, 0, func(w state.DueWork) bool {
		fmt.Fprintf(out, "work %d lane %d due %d block %x attempts %d cause %d %q\n", w.Class, w.Lane, w.DueUnixMs, w.Hash[:4], w.Attempts, w.Cause, w.Detail)
		return true
	})
}

// describePlacement is twin.printPlacement for the machine.
func describePlacement(m *machine, out *strings.Builder) error {
	sweeps, err := state.Sweeps(m.table)
	if err != nil {
		return err
	}
	for _, s := range sweeps {
		fmt.Fprintf(out, "sweep %d %s cause %d node %d layout %d at %x walked %v seen %d marked %d\n", s.Number, s.State, s.Cause, s.Node, s.LayoutVersion, s.Cursor, s.Walked, s.BlocksSeen, s.BlocksMarked)
	}
	history, err := state.LayoutHistory(m.table)
	for _, l := range history.GetLayouts() {
		fmt.Fprintf(out, "layout %d %s\n", l.LayoutVersion, l.State)
	}
	for node := range uint32(someNodes + 1) {
		silent, answering := state.RemoveCheck(m.table, node, false), state.RemoveCheck(m.table, node, true)
		fmt.Fprintf(out, "node %d may go: %v, while it answers %v\n", node, protocol.KindOf(silent), protocol.KindOf(answering))
	}
	return err
}

func describeBlock(i int, b *pb.BlockInfoAnswer) string {
	if b.Phase == "none" {
		return ""
	}
	asked := [6]uint64{b.References}
	copy(asked[:], b.ReferencesByRedundancy)
	out := fmt.Sprintf("block%d %s refs %d%v floor %s", i, b.Phase, b.References, asked, v(b.Floor))
	for _, c := range b.Copies {
		out += fmt.Sprintf(" copy %d@%s trusted %v", c.Node, v(c.Version), c.Trusted)
	}
	for _, d := range b.Drops {
		out += fmt.Sprintf(" drop %d@%s", d.Node, v(d.Version))
	}
	return out + pending(b.Pending) + "\n"
}

// describeObject reads the object page by page, as a client would.
func describeObject(rt *rapid.T, m *machine, name string) string {
	var hashes []byte
	q := &pb.LookupRequest{Bucket: "random", Name: name}
	for {
		answer, err := state.Lookup(m.table, q)
		if protocol.KindOf(err) == protocol.NotFound {
			return ""
		}
		if err != nil {
			rt.Fatal(err)
		}
		hashes = append(hashes, answer.Blocks.GetHashes()...)
		if !answer.More {
			return fmt.Sprintf("%s at %s size %d asks for %d blocks %x\n", name, v(answer.Object.Version), answer.Object.Size, answer.Object.Redundancy, hashes)
		}
		q.Offset = uint64(100 * len(hashes) / protocol.HashSize)
	}
}

// TestTwice: under a session, sending any command a second time has the same answer
// and changes nothing, but that the session is noted to be in use.
func TestTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := bootstrapped(t, someNodes)
		g := newGenerator(m, uniform(rt))
		for i := range someSessions {
			m.must(openSession(fmt.Sprintf("session%d", i)))
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			c := g.any()
			once := m.one(c)
			g.learn(c, once)
			if !exactlyOnce(c) {
				continue
			}
			before, version := rowsOf(t, m.table), m.Version()
			twice := m.one(c)
			if plainResult(once) != plainResult(twice) {
				rt.Fatalf("%v\nonce %v\ntwice %v", c, once, twice)
			}
			if after := rowsOf(t, m.table); after != before || m.Version() != version {
				rt.Fatalf("%v changed the state when sent again", c)
			}
		}
	})
}

func exactlyOnce(c *record.Command) bool {
	return c.GetCommit().GetCall() != nil || c.GetDelete().GetCall() != nil || c.GetUndelete().GetCall() != nil || c.GetDeletePrefix().GetCall() != nil || c.GetCreateUpload().GetCall() != nil ||
		c.GetAppendUpload().GetCall() != nil || c.GetAbortUpload().GetCall() != nil || c.GetRegister() != nil
}

// withoutUse takes out of a session's row what tells that it is in use.
func withoutUse(tb testing.TB, key, value []byte) []byte {
	if key[0] != state.TableSessions {
		return value
	}
	var s record.Session
	if err := s.UnmarshalVT(value); err != nil {
		tb.Fatal(err)
	}
	s.Uses, s.RenewedUnixMs = 0, 0
	value, err := s.MarshalVT()
	if err != nil {
		tb.Fatal(err)
	}
	return value
}

// rowsOf prints every row but the cluster's, which holds the applied index.
func rowsOf(tb testing.TB, r state.Reader) string {
	var out []byte
	err := r.Scan([]byte{0}, []byte{0xff}, func(key, value []byte) bool {
		if string(key) != string(state.KeyCluster()) {
			value = withoutUse(tb, key, value)
			out = append(binary.AppendUvarint(out, uint64(len(key))), key...)
			out = append(binary.AppendUvarint(out, uint64(len(value))), value...)
		}
		return true
	})
	if err != nil {
		tb.Fatal(err)
	}
	return string(out)
}
