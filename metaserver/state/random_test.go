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
			if g.chance(8) {
				condemnBoth(m, w)
			}
			if g.chance(3) {
				reapBoth(m, w)
			}
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
	}
	for i := range uint32(someNodes) {
		w.nodes[i+1] = &twinNode{incarnation: 1, starts: []string{string(register(i+1, 1).GetRegister().Start)}}
	}
	return w
}

// condemnBoth condemns the first unreferenced block in both, by hand: the rule
// itself comes with the next commands of the log.
func condemnBoth(m *machine, w *twin) {
	for i := range someBlocks {
		name := fmt.Sprintf("block%d", i)
		hash := protocol.HashOf([]byte(name))
		b := w.blocks[string(hash[:])]
		if b == nil || b.condemned || b.refs > 0 {
			continue
		}
		var nodes []string
		for node := range uint32(someNodes) {
			if b.copies[node+1] > 0 || b.drops[node+1] > 0 {
				b.pending = append(b.pending, node+1)
				nodes = append(nodes, fmt.Sprint(node+1))
			}
		}
		b.condemned, b.floor, b.copies, b.drops = true, w.next(), nil, nil
		s := &scenario{m: m}
		s.run(fmt.Sprintf("plant present=1.%d", w.version))
		s.run(fmt.Sprintf("plant %s phase=condemned floor=1.%d pending=%s", name, b.floor, strings.Join(nodes, ",")))
		return
	}
}

// reapBoth forgets the first condemned block in both, as if all its nodes had
// acknowledged, and raises the watermark.
func reapBoth(m *machine, w *twin) {
	for i := range someBlocks {
		name := fmt.Sprintf("block%d", i)
		hash := protocol.HashOf([]byte(name))
		if b := w.blocks[string(hash[:])]; b != nil && b.condemned {
			w.watermark = max(w.watermark, b.floor)
			delete(w.blocks, string(hash[:]))
			s := &scenario{m: m}
			s.run(fmt.Sprintf("plant %s phase=none watermark=1.%d", name, w.watermark))
			return
		}
	}
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
		fmt.Fprintf(&out, "session %x highest %d lowest %d\n", s.Session[:], s.Highest, s.LowestUnacked)
	}
	return out.String()
}

func describeBlock(i int, b *pb.BlockInfoAnswer) string {
	if b.Phase == "none" {
		return ""
	}
	out := fmt.Sprintf("block%d %s refs %d floor %s", i, b.Phase, b.References, v(b.Floor))
	for node := range uint32(someNodes) {
		for _, c := range b.Copies {
			if c.Node == node+1 {
				out += fmt.Sprintf(" copy %d@%s", c.Node, v(c.Version))
			}
		}
		for _, d := range b.Drops {
			if d.Node == node+1 {
				out += fmt.Sprintf(" drop %d@%s", d.Node, v(d.Version))
			}
		}
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
			return fmt.Sprintf("%s at %s size %d blocks %x\n", name, v(answer.Object.Version), answer.Object.Size, hashes)
		}
		q.Offset = uint64(100 * len(hashes) / protocol.HashSize)
	}
}

// TestTwice: under a session, sending any command a second time changes nothing
// and has the same answer.
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
	return c.GetCommit().GetCall() != nil || c.GetDelete().GetCall() != nil || c.GetCreateUpload().GetCall() != nil ||
		c.GetAppendUpload().GetCall() != nil || c.GetAbortUpload().GetCall() != nil || c.GetRegister() != nil
}

// rowsOf prints every row but the cluster's, which holds the applied index.
func rowsOf(tb testing.TB, r state.Reader) string {
	var out []byte
	err := r.Scan([]byte{0}, []byte{0xff}, func(key, value []byte) bool {
		if string(key) != string(state.KeyCluster()) {
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
