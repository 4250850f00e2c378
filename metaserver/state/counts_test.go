package state_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// The limits on counts: one more is LimitExceeded and changes nothing.

func wantLimit(t *testing.T, m *machine, c *record.Command) {
	t.Helper()
	before := m.Version()
	if r := m.one(c); r.Kind != uint32(protocol.LimitExceeded) {
		t.Fatalf("one beyond the limit: %v", r)
	}
	if m.Version() != before {
		t.Fatal("a refused command took a version")
	}
	if err := state.Check(m.table); err != nil {
		t.Fatal(err)
	}
}

func TestMaxSessions(t *testing.T) {
	m := newMachine(t)
	m.unchecked = true
	m.bootstrap(0)
	for i := range protocol.MaxSessions {
		m.must(openSession(fmt.Sprint("session ", i)))
	}
	wantLimit(t, m, openSession("one more"))
	m.must(openSession("session 1"))
	page, err := state.Sessions(m.table, protocol.ID{}, 100)
	if err != nil || len(page) != 100 {
		t.Fatal(err, len(page))
	}
	seen := 0
	for after := (protocol.ID{}); ; seen += len(page) {
		if page, err = state.Sessions(m.table, after, 1000); err != nil || len(page) == 0 {
			break
		}
		after = page[len(page)-1].Session
	}
	if err != nil || seen != protocol.MaxSessions {
		t.Fatal(err, seen)
	}
}

func TestMaxUploadsPerSession(t *testing.T) {
	m := bootstrapped(t, 0)
	m.must(openSession("session"))
	create := func(n uint64) *record.Command {
		return &record.Command{Body: &record.Command_CreateUpload{CreateUpload: &record.CreateUpload{
			Call: m.call("session", n, n), Upload: id(fmt.Sprint("upload", n)), Bucket: "limits",
		}}}
	}
	for n := range uint64(protocol.MaxUploadsPerSession) {
		m.must(create(n + 1))
	}
	wantLimit(t, m, create(protocol.MaxUploadsPerSession+1))
	m.must(&record.Command{Body: &record.Command_AbortUpload{AbortUpload: &pb.UploadAbortRequest{Upload: id("upload1")}}})
	m.must(create(protocol.MaxUploadsPerSession + 2))
	m.must(&record.Command{Body: &record.Command_CloseSession{CloseSession: &record.CloseSession{Session: id("session")}}})
}

func TestMaxPagesPerUpload(t *testing.T) {
	m := newMachine(t)
	m.unchecked = true
	m.bootstrap(3)
	m.must(openSession("session"))
	m.must(&record.Command{Body: &record.Command_CreateUpload{CreateUpload: &record.CreateUpload{Call: m.call("session", 1, 0), Upload: id("upload"), Bucket: "limits"}}})
	page := func(n uint32) *record.Command {
		return &record.Command{Body: &record.Command_AppendUpload{AppendUpload: &pb.UploadAppendRequest{
			Upload: id("upload"), Page: n, Blocks: blocksOf("A"), Claims: claimsOf(1, m.Version(), 1, 2),
		}}}
	}
	for n := range uint32(protocol.MaxPagesPerUpload) {
		m.must(page(n))
	}
	wantLimit(t, m, page(protocol.MaxPagesPerUpload))
}

func TestMaxNodes(t *testing.T) {
	m := newMachine(t)
	m.unchecked = true
	m.bootstrap(1)
	s := &scenario{m: m}
	cluster, err := state.ClusterRow(m.table)
	s.fail(err)
	for n := uint32(2); n <= protocol.MaxNodes; n++ {
		s.write(state.KeyNode(n), &record.Node{Identity: numbered("node", n), Incarnation: 1, State: pb.NodeState_NODE_STATE_UP})
		s.fail(m.table.Write([]state.Mutation{{Key: state.KeyIdentity(numbered("node", n)), Value: state.KeyNode(n)[1:]}}))
	}
	cluster.LastNode = protocol.MaxNodes
	s.write(state.KeyCluster(), cluster)
	m.Machine, err = state.Open(m.table)
	s.fail(err)
	wantLimit(t, m, register(protocol.MaxNodes+1, 1))
	m.must(register(1, 2))
}

func TestMaxMetaservers(t *testing.T) {
	m := bootstrapped(t, 0)
	member := func(n int) *record.Command {
		return &record.Command{Body: &record.Command_PutMetaMember{PutMetaMember: &record.PutMetaMember{Member: &record.MetaMember{
			Id: fmt.Sprint(n), ClientAddress: "c", RaftAddress: "r", AdminAddress: "a",
		}}}}
	}
	for n := range protocol.MaxMetaservers {
		m.must(member(n))
	}
	wantLimit(t, m, member(protocol.MaxMetaservers))
}

// TestLastSequence: a session that has used the last of all numbers leaves nothing
// behind either.
func TestLastSequence(t *testing.T) {
	m := bootstrapped(t, 0)
	m.must(openSession("session"))
	for n := uint64(math.MaxUint64 - 2); n != 0; n++ {
		m.must(commitCommand(&pb.CommitRequest{Call: m.call("session", n, math.MaxUint64-2), Bucket: "bucket", Name: "name"}))
	}
	m.must(&record.Command{Body: &record.Command_CloseSession{CloseSession: &record.CloseSession{Session: id("session")}}})
}
