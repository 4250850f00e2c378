package state_test

import (
	"encoding/binary"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// machine is a state machine over a table in memory, as tests drive it.
type machine struct {
	tb testing.TB
	*state.Machine
	table state.Table
	index uint64
	// unchecked leaves out the invariants, for benchmarks.
	unchecked bool
}

func newMachine(tb testing.TB) *machine { return newMachineOn(tb, table.NewMemory()) }

func newMachineOn(tb testing.TB, t state.Table) *machine {
	tb.Helper()
	m, err := state.Open(t)
	if err != nil {
		tb.Fatal(err)
	}
	index, _ := m.Applied()
	return &machine{tb: tb, Machine: m, table: t, index: index}
}

// bootstrapped has R 3, Q 2, and nodes 1 to n with one disk each, in incarnation 1.
func bootstrapped(tb testing.TB, n int) *machine {
	tb.Helper()
	m := newMachine(tb)
	m.bootstrap(n)
	return m
}

func (m *machine) bootstrap(n int) {
	m.tb.Helper()
	m.one(&record.Command{Body: &record.Command_Bootstrap{Bootstrap: &record.Bootstrap{
		Cluster: id("cluster"), Settings: &record.Settings{Redundancy: 3, Quorum: 2},
	}}})
	for i := range n {
		m.one(register(uint32(i+1), 1))
	}
}

// register is what node i says at its start number start.
func register(i uint32, start uint32) *record.Command {
	return &record.Command{Body: &record.Command_Register{Register: &pb.RegisterRequest{
		Identity: numbered("node", i), Address: "127.0.0.1:1", Start: numbered("start", i<<8|start),
		Disks: []*pb.DiskInfo{{Disk: numbered("disk", i), CapacityBytes: 1 << 30}},
	}}}
}

func id(name string) []byte {
	h := protocol.HashOf([]byte(name))
	return h[:16]
}

func numbered(name string, i uint32) []byte {
	return id(string(binary.BigEndian.AppendUint32([]byte(name), i)))
}

func encode(tb testing.TB, commands ...*record.Command) []byte {
	tb.Helper()
	data, err := (&record.Entry{Commands: commands}).MarshalVT()
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// apply runs commands as one entry, after which every invariant holds.
func (m *machine) apply(commands ...*record.Command) []*record.Result {
	m.tb.Helper()
	m.index++
	results, err := m.Apply(m.index, 1, encode(m.tb, commands...))
	if err != nil {
		m.tb.Fatalf("entry %d: %v", m.index, err)
	}
	m.check()
	return results
}

func (m *machine) check() {
	m.tb.Helper()
	if m.unchecked {
		return
	}
	if err := state.Check(m.table); err != nil {
		m.tb.Fatalf("after entry %d: %v", m.index, err)
	}
}

func (m *machine) one(c *record.Command) *record.Result {
	m.tb.Helper()
	return m.apply(c)[0]
}

// must is one that has to succeed.
func (m *machine) must(c *record.Command) *record.Result {
	m.tb.Helper()
	r := m.one(c)
	if r.Kind != 0 {
		m.tb.Fatalf("entry %d: %s: %s", m.index, protocol.Kind(r.Kind), r.Detail)
	}
	return r
}

func versionPB(v protocol.Version) *pb.Version {
	return &pb.Version{Generation: v.Generation, Counter: v.Counter}
}

// blocksOf names each block by the hash of its text.
func blocksOf(texts ...string) *pb.Blocks {
	b := &pb.Blocks{}
	for _, text := range texts {
		h := protocol.HashOf([]byte(text))
		b.Hashes = append(b.Hashes, h[:]...)
		b.PlainSizes = append(b.PlainSizes, 100)
		b.StoredSizes = append(b.StoredSizes, 60)
	}
	return b
}

// claimsOf has each of the nodes claim each of n blocks at v.
func claimsOf(n int, v protocol.Version, nodes ...uint32) []*pb.Claim {
	var claims []*pb.Claim
	for i := range n {
		for _, node := range nodes {
			claims = append(claims, &pb.Claim{Block: uint32(i), Node: node, Incarnation: 1, Ack: v.Counter, Generation: v.Generation, Counter: v.Counter})
		}
	}
	return claims
}

func commitCommand(q *pb.CommitRequest) *record.Command {
	return &record.Command{Body: &record.Command_Commit{Commit: q}}
}

func openSession(name string) *record.Command {
	return &record.Command{Body: &record.Command_OpenSession{OpenSession: &record.OpenSession{Session: id(name)}}}
}

// call is one of a session that an entry at the version opened has opened.
func call(session string, opened protocol.Version, sequence, lowest uint64) *pb.Call {
	return &pb.Call{Session: id(session), Opened: versionPB(opened), Sequence: sequence, LowestUnacked: lowest}
}

// call is one of the session as it is open now; of one that is not, at some version.
func (m *machine) call(session string, sequence, lowest uint64) *pb.Call {
	m.tb.Helper()
	opened := protocol.Version{Generation: 1, Counter: 1}
	value, found, err := m.table.Get(append([]byte{state.TableSessions}, id(session)...))
	if err != nil {
		m.tb.Fatal(err)
	}
	if found {
		var s record.Session
		if err := s.UnmarshalVT(value); err != nil {
			m.tb.Fatal(err)
		}
		opened = protocol.Version{Generation: s.Opened.GetGeneration(), Counter: s.Opened.GetCounter()}
	}
	return call(session, opened, sequence, lowest)
}
