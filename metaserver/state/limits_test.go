package state_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// manyBlocks are n blocks that no other prefix has.
func manyBlocks(prefix string, n int) *pb.Blocks {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprint(prefix, i)
	}
	return blocksOf(texts...)
}

func inline(name string, size int) *pb.CommitRequest {
	return &pb.CommitRequest{Bucket: "limits", Name: name, Inline: []byte(strings.Repeat("x", size)), Size: uint64(size)}
}

func withBlocks(b *pb.Blocks, claims []*pb.Claim) *pb.CommitRequest {
	q := &pb.CommitRequest{Bucket: "limits", Name: "blocks", Blocks: b, Claims: claims}
	for _, plain := range b.PlainSizes {
		q.Size += uint64(plain)
	}
	return q
}

// TestLimits: at each limit a commit is well-formed, one beyond it is not.
func TestLimits(t *testing.T) {
	long := func(n int) string { return strings.Repeat("n", n) }
	metadata := func(n int) *pb.CommitRequest {
		q := inline("metadata", 1)
		q.UserMetadata = []*pb.Meta{{Key: "k", Value: long(n - 1)}}
		return q
	}
	contentType := func(n int) *pb.CommitRequest {
		q := inline("type", 1)
		q.ContentType = long(n)
		return q
	}
	plainSize := func(n uint32) *pb.CommitRequest {
		b := blocksOf("A")
		b.PlainSizes[0] = n
		return withBlocks(b, nil)
	}
	storedSize := func(n uint32) *pb.CommitRequest {
		b := blocksOf("A")
		b.StoredSizes[0] = n
		return withBlocks(b, nil)
	}
	cases := []struct {
		what         string
		good, beyond *pb.CommitRequest
	}{
		{"name", inline(long(protocol.MaxNameLength), 1), inline(long(protocol.MaxNameLength+1), 1)},
		{"empty name", inline("n", 1), inline("", 1)},
		{"control character", inline("a b", 1), inline("a\x00b", 1)},
		{"inline", inline("i", protocol.MaxInlineSize), inline("i", protocol.MaxInlineSize+1)},
		{"metadata", metadata(protocol.MaxUserMetadata), metadata(protocol.MaxUserMetadata + 1)},
		{"content type", contentType(protocol.MaxContentTypeLength), contentType(protocol.MaxContentTypeLength + 1)},
		{"blocks", withBlocks(manyBlocks("", protocol.MaxBlocksPerPage), nil), withBlocks(manyBlocks("", protocol.MaxBlocksPerPage+1), nil)},
		{"claims", withBlocks(blocksOf("A"), claimsOf(1, protocol.Version{}, 1, 2, 3, 4, 5)), withBlocks(blocksOf("A"), claimsOf(1, protocol.Version{}, 1, 2, 3, 4, 5, 6))},
		{"plain size", plainSize(protocol.MaxBlockSize), plainSize(protocol.MaxBlockSize + 1)},
		{"no plain size", plainSize(1), plainSize(0)},
		{"stored size", storedSize(protocol.MaxStoredSize), storedSize(protocol.MaxStoredSize + 1)},
		{"no stored size", storedSize(1), storedSize(0)},
	}
	for _, c := range cases {
		if err := state.Validate(commitCommand(c.good)); err != nil {
			t.Errorf("%s at its limit: %v", c.what, err)
		}
		if err := state.Validate(commitCommand(c.beyond)); err == nil {
			t.Errorf("%s beyond its limit is taken", c.what)
		}
	}
}

// TestMalformed: commits that no client of ours would send.
func TestMalformed(t *testing.T) {
	change := func(f func(*pb.CommitRequest)) *pb.CommitRequest {
		q := withBlocks(blocksOf("A", "B"), claimsOf(2, protocol.Version{}, 1))
		f(q)
		return q
	}
	cases := map[string]*pb.CommitRequest{
		"hashes cut short":      change(func(q *pb.CommitRequest) { q.Blocks.Hashes = q.Blocks.Hashes[:63] }),
		"a stored size missing": change(func(q *pb.CommitRequest) { q.Blocks.StoredSizes = q.Blocks.StoredSizes[:1] }),
		"hashes and no sizes": change(func(q *pb.CommitRequest) {
			q.Blocks.PlainSizes, q.Blocks.StoredSizes, q.Size, q.Claims = nil, nil, 0, nil
		}),
		"the zero hash":         change(func(q *pb.CommitRequest) { clear(q.Blocks.Hashes) }),
		"claim of no block":     change(func(q *pb.CommitRequest) { q.Claims[0].Block = 2 }),
		"digest of 31 bytes":    change(func(q *pb.CommitRequest) { q.Digest = make([]byte, 31) }),
		"bucket":                change(func(q *pb.CommitRequest) { q.Bucket = "Bucket" }),
		"no bucket":             change(func(q *pb.CommitRequest) { q.Bucket = "" }),
		"precondition":          change(func(q *pb.CommitRequest) { q.Precondition = &pb.Precondition{Kind: 9} }),
		"if-version of nothing": change(func(q *pb.CommitRequest) { q.Precondition = &pb.Precondition{Kind: pb.Precondition_IF_VERSION} }),
		"key twice":             change(func(q *pb.CommitRequest) { q.UserMetadata = []*pb.Meta{{Key: "k"}, {Key: "l"}, {Key: "k"}} }),
		"session of 3 bytes": change(func(q *pb.CommitRequest) {
			q.Call = &pb.Call{Session: []byte("abc"), Opened: sampleVersion(), Sequence: 1}
		}),
		"the zero session": change(func(q *pb.CommitRequest) {
			q.Call = &pb.Call{Session: make([]byte, 16), Opened: sampleVersion(), Sequence: 1}
		}),
		"no opening":         change(func(q *pb.CommitRequest) { q.Call = &pb.Call{Session: id("session"), Sequence: 1} }),
		"an upload's claims": change(func(q *pb.CommitRequest) { q.Upload, q.Blocks = id("upload"), nil }),
	}
	m := bootstrapped(t, 3)
	for what, q := range cases {
		if r := m.one(commitCommand(q)); r.Kind == 0 || r.Kind == uint32(protocol.ClaimsRefused) {
			t.Errorf("%s: answered %v", what, r)
		}
	}
}

// TestEntryRows: an entry never touches more rows than its limit; what does not
// fit is Busy, has changed nothing, and succeeds when it is sent again.
func TestEntryRows(t *testing.T) {
	counting := &countingTable{Table: table.NewMemory()}
	m := newMachineOn(t, counting)
	m.bootstrap(3)
	m.must(openSession("session"))
	var commands []*record.Command
	for i := range 20 {
		q := withBlocks(manyBlocks(fmt.Sprint(i, " "), protocol.MaxBlocksPerPage), claimsOf(protocol.MaxBlocksPerPage, m.Version(), 1, 2))
		m.must(commitCommand(q))
		q.Claims, q.Call = nil, m.call("session", uint64(i+1), 0)
		commands = append(commands, commitCommand(q))
	}
	busy := 0
	for i, r := range m.apply(commands...) {
		if r.Kind == uint32(protocol.Busy) {
			busy++
			m.must(commands[i])
		}
	}
	if busy == 0 || counting.most > protocol.MaxEntryRows {
		t.Fatalf("%d commands were put off, an entry touched %d rows", busy, counting.most)
	}
}

// countingTable remembers the largest batch, in rows and in bytes.
type countingTable struct {
	state.Table
	most, mostBytes int
	fail            error
}

func (c *countingTable) Write(sorted []state.Mutation) error {
	if c.fail != nil {
		return c.fail
	}
	c.most = max(c.most, len(sorted))
	bytes := 0
	for _, m := range sorted {
		bytes += len(m.Key) + len(m.Value)
	}
	c.mostBytes = max(c.mostBytes, bytes)
	return c.Table.Write(sorted)
}

func (c *countingTable) Get(key []byte) ([]byte, bool, error) {
	if c.fail != nil {
		return nil, false, c.fail
	}
	return c.Table.Get(key)
}

// TestTableFailure: when the table fails the machine stops for good and says that
// it has applied what it had before.
func TestTableFailure(t *testing.T) {
	failing := &countingTable{Table: table.NewMemory()}
	m := newMachineOn(t, failing)
	m.bootstrap(3)
	before, _ := m.Applied()
	failing.fail = errors.New("the disk is gone")
	entry := encode(t, commitCommand(inline("a", 1)))
	if _, err := m.Apply(before+1, 1, entry); !errors.Is(err, failing.fail) {
		t.Fatal(err)
	}
	failing.fail = nil
	if _, err := m.Apply(before+1, 1, entry); err == nil {
		t.Fatal("the machine went on after a failure")
	}
	if after, _ := m.Applied(); after != before {
		t.Fatalf("applied %d, though the write of it failed", after)
	}
	m = newMachineOn(t, failing)
	m.must(commitCommand(inline("a", 1)))
}

// TestLargeUpload: an object of many pages, each entry within its rows, read back
// page by page and taken back in steps.
func TestLargeUpload(t *testing.T) {
	const pages = 7
	counting := &countingTable{Table: table.NewMemory()}
	m := newMachineOn(t, counting)
	m.bootstrap(3)
	m.must(openSession("session"))
	m.must(&record.Command{Body: &record.Command_CreateUpload{CreateUpload: &record.CreateUpload{Call: m.call("session", 1, 0), Upload: id("upload"), Bucket: "limits"}}})
	var all []byte
	for page := range uint32(pages) {
		blocks := manyBlocks(fmt.Sprint(page, " "), protocol.MaxBlocksPerPage-int(page))
		all = append(all, blocks.Hashes...)
		m.must(&record.Command{Body: &record.Command_AppendUpload{AppendUpload: &pb.UploadAppendRequest{
			Call: m.call("session", uint64(page)+2, 0), Upload: id("upload"), Page: page, Blocks: blocks, Claims: claimsOf(len(blocks.PlainSizes), m.Version(), 1, 2),
		}}})
	}
	m.must(commitCommand(&pb.CommitRequest{Bucket: "limits", Name: "large", Upload: id("upload"), Size: uint64(100 * len(all) / 32)}))
	readAll(t, m, all)
	m.must(&record.Command{Body: &record.Command_Delete{Delete: &pb.DeleteRequest{Bucket: "limits", Items: []*pb.DeleteItem{{Name: "large"}}}}})
	drain(t, m)
	if counting.most > protocol.MaxEntryRows {
		t.Fatalf("an entry touched %d rows", counting.most)
	}
	status, err := state.Status(m.table)
	if err != nil || status.Counters.References != 0 || status.Counters.UnreferencedBlocks != uint64(len(all)/32) {
		t.Fatal(err, status.Counters)
	}
}

func readAll(t *testing.T, m *machine, want []byte) {
	t.Helper()
	q := &pb.LookupRequest{Bucket: "limits", Name: "large"}
	var got []byte
	for more := true; more; {
		answer, err := state.Lookup(m.table, q)
		if err != nil {
			t.Fatal(err)
		}
		if answer.FirstOffset != q.Offset || len(answer.Copies) != 2*len(answer.Blocks.PlainSizes) {
			t.Fatalf("asked from %d, answered from %d with %d copies", q.Offset, answer.FirstOffset, len(answer.Copies))
		}
		got = append(got, answer.Blocks.Hashes...)
		q.Offset, more = uint64(100*len(got)/32), answer.More
	}
	if string(got) != string(want) {
		t.Fatal("other blocks were read than were written")
	}
}

// drain runs every job to its end, as a dispatcher would.
func drain(t *testing.T, m *machine) {
	t.Helper()
	for {
		jobs, err := state.Jobs(m.table, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(jobs) == 0 {
			return
		}
		step := &record.UnreferenceStep{Job: versionPB(jobs[0].Job), Cursor: jobs[0].Cursor, Count: protocol.MaxUnreferenceStep}
		r := m.must(&record.Command{NowUnixMs: 1, Body: &record.Command_Unreference{Unreference: &record.Unreference{Steps: []*record.UnreferenceStep{step}}}})
		if r.GetUnreference().Applied != 1 {
			t.Fatal("the step of a present cursor did nothing")
		}
	}
}
