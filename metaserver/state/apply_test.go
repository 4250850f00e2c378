package state_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// TestUnknownCommand: a command of a later build is Unsupported, the commands
// beside it run, and the index advances.
func TestUnknownCommand(t *testing.T) {
	m := bootstrapped(t, 0)
	// Field 1 of the entry, holding field 99 with an empty message.
	unknown := []byte{0x0a, 0x03, 0x9a, 0x06, 0x00}
	entry := append(append(encode(t, openSession("one")), unknown...), encode(t, openSession("two"))...)
	results, err := m.Apply(m.index+1, 3, entry)
	if err != nil || len(results) != 3 || results[0].Kind != 0 || results[1].Kind != uint32(protocol.Unsupported) || results[2].Kind != 0 {
		t.Fatal(results, err)
	}
	if index, term := m.Applied(); index != m.index+1 || term != 3 {
		t.Fatal(index, term)
	}
}

// TestEntryTooLarge: an entry over the limit is not even decoded.
func TestEntryTooLarge(t *testing.T) {
	m := bootstrapped(t, 0)
	big := encode(t, &record.Command{Request: string(bytes.Repeat([]byte("x"), protocol.MaxEntrySize)), Body: openSession("s").Body})
	if results, err := m.Apply(m.index+1, 1, big); err != nil || len(results) != 1 || results[0].Kind != uint32(protocol.TooLarge) {
		t.Fatal(results, err)
	}
}

// TestEmptyEntry has no result and is applied.
func TestEmptyEntry(t *testing.T) {
	m := bootstrapped(t, 0)
	if results, err := m.Apply(m.index+1, 1, nil); err != nil || len(results) != 0 {
		t.Fatal(results, err)
	}
	if index, _ := m.Applied(); index != m.index+1 {
		t.Fatal(index)
	}
}

// TestSkipped: what the table has applied already is not applied again.
func TestSkipped(t *testing.T) {
	m := bootstrapped(t, 0)
	before := rowsOf(t, m.table)
	for index := range m.index + 1 {
		if results, err := m.Apply(index, 1, encode(t, openSession("s"))); results != nil || err != nil {
			t.Fatal(index, results, err)
		}
	}
	if rowsOf(t, m.table) != before {
		t.Fatal("a skipped entry changed the table")
	}
}

// TestDiverged: a replica whose digest at the mark is another one stops, and its
// table stays as it was.
func TestDiverged(t *testing.T) {
	m := bootstrapped(t, 3)
	mark := m.must(&record.Command{Body: &record.Command_MarkDigest{MarkDigest: &record.MarkDigest{}}}).GetDigest()
	compare := func(digest []byte) *record.Command {
		return &record.Command{Body: &record.Command_CompareDigest{CompareDigest: &record.CompareDigest{Mark: mark.Mark, Digest: digest}}}
	}
	if m.must(compare(mark.Digest)).GetDigest().Mismatch {
		t.Fatal("a replica differs from itself")
	}
	before := digestOf(t, m.table)
	if _, err := m.Apply(m.index+1, 1, encode(t, openSession("s"), compare([]byte("another")))); !errors.Is(err, state.ErrDiverged) {
		t.Fatal(err)
	}
	if !bytes.Equal(before, digestOf(t, m.table)) {
		t.Fatal("the entry that found it was written")
	}
	if _, err := m.Apply(m.index+1, 1, encode(t, openSession("s"))); !errors.Is(err, state.ErrDiverged) {
		t.Fatal("the replica went on", err)
	}
}

// TestDivergedByAVersion: a replica that gave the mark's entry another version stops
// too, for the entry's index names the mark; another mark's proves nothing.
func TestDivergedByAVersion(t *testing.T) {
	for _, ahead := range []bool{true, false} {
		m := bootstrapped(t, 3)
		m.must(&record.Command{Body: &record.Command_MarkDigest{MarkDigest: &record.MarkDigest{}}})
		mark := m.must(&record.Command{Body: &record.Command_MarkDigest{MarkDigest: &record.MarkDigest{}}}).GetDigest()
		if mark.Index != m.index {
			t.Fatalf("the mark of entry %d is told as entry %d's", m.index, mark.Index)
		}
		other := &pb.Version{Generation: mark.Mark.Generation, Counter: mark.Mark.Counter - 1}
		if ahead {
			other.Counter = mark.Mark.Counter + 1
		}
		compare := func(q *record.CompareDigest) *record.Command {
			return &record.Command{Body: &record.Command_CompareDigest{CompareDigest: q}}
		}
		for _, q := range []*record.CompareDigest{
			{Mark: mark.Mark, Digest: mark.Digest, Index: mark.Index},
			{Mark: mark.Mark, Digest: mark.Digest},
			{Mark: other, Digest: mark.Digest},
			{Mark: mark.Mark, Digest: []byte("another"), Index: mark.Index - 1},
		} {
			if m.must(compare(q)).GetDigest().Mismatch {
				t.Fatalf("stopped by %v, at the mark %v", q, mark)
			}
		}
		differs := compare(&record.CompareDigest{Mark: other, Digest: mark.Digest, Index: mark.Index})
		if _, err := m.Apply(m.index+1, 1, encode(t, differs)); !errors.Is(err, state.ErrDiverged) {
			t.Fatal(err)
		}
	}
}

// TestOneMarkInAnEntry: two of one index would each be taken for the other, and whoever
// compares the first would stop every replica.
func TestOneMarkInAnEntry(t *testing.T) {
	m := bootstrapped(t, 3)
	mark := &record.Command{Body: &record.Command_MarkDigest{MarkDigest: &record.MarkDigest{}}}
	for range 2 {
		m.index++
		results, err := m.Apply(m.index, 1, encode(t, mark, openSession("s"), mark))
		if err != nil || len(results) != 3 {
			t.Fatal(results, err)
		}
		for _, r := range []*record.Result{results[0], results[2]} {
			d := r.GetDigest()
			compare := &record.CompareDigest{Mark: d.GetMark(), Digest: d.GetDigest(), Index: d.GetIndex()}
			if m.must(&record.Command{Body: &record.Command_CompareDigest{CompareDigest: compare}}).GetDigest().Mismatch {
				t.Fatalf("stopped by its own mark %v", d)
			}
		}
	}
}

// TestDigestSees: any difference in what is applied is in the digest from then on,
// though it be only in the cluster's own row.
func TestDigestSees(t *testing.T) {
	digest := func(commands ...*record.Command) string {
		m := bootstrapped(t, 3)
		for _, c := range commands {
			m.one(c)
		}
		m.one(openSession("last"))
		return string(digestOf(t, m.table))
	}
	settings := func(quorum uint32) *record.Command {
		return &record.Command{Body: &record.Command_PutSettings{PutSettings: &record.PutSettings{
			Settings: &record.Settings{Redundancy: 3, Quorum: quorum}, IfVersion: &pb.Version{Generation: 1, Counter: 1},
		}}}
	}
	seen := map[string]int{}
	for i, commands := range [][]*record.Command{
		{openSession("a")},
		{openSession("b")},
		{openSession("c"), openSession("b")},
		{settings(1)},
		{settings(3)},
		{commitCommand(inline("a", 1))},
		{commitCommand(inline("b", 1))},
		{commitCommand(inline("a", 2))},
	} {
		d := digest(commands...)
		if other, ok := seen[d]; ok {
			t.Errorf("runs %d and %d have one digest", i, other)
		}
		if d != digest(commands...) {
			t.Errorf("run %d twice has two digests", i)
		}
		seen[d] = i
	}
}

// TestLookupRanges: any range of an object, inline in its row or in pages, is
// answered with exactly the blocks that overlap it, in however many pages.
func TestLookupRanges(t *testing.T) {
	draw := rand.New(rand.NewPCG(seedOf(t), 0))
	m := bootstrapped(t, 2)
	m.must(openSession("session"))
	m.must(&record.Command{Body: &record.Command_CreateUpload{CreateUpload: &record.CreateUpload{Call: m.call("session", 1, 0), Upload: id("upload"), Bucket: "limits"}}})
	var sizes []uint32
	for page := range uint32(5) {
		b := manyBlocks(string(rune('a'+page)), 1+draw.IntN(6))
		for i := range b.PlainSizes {
			b.PlainSizes[i] = uint32(1 + draw.IntN(300))
		}
		sizes = append(sizes, b.PlainSizes...)
		m.must(&record.Command{Body: &record.Command_AppendUpload{AppendUpload: &pb.UploadAppendRequest{
			Upload: id("upload"), Page: page, Blocks: b, Claims: claimsOf(len(b.PlainSizes), m.Version(), 1, 2),
		}}})
	}
	size := uint64(0)
	for _, s := range sizes {
		size += uint64(s)
	}
	m.must(commitCommand(&pb.CommitRequest{Bucket: "limits", Name: "paged", Upload: id("upload"), Size: size}))
	for range 500 {
		from := uint64(draw.IntN(int(size)))
		length := uint64(draw.IntN(int(size)))
		checkRange(t, m, sizes, from, length, min(size, from+length))
	}
	checkRange(t, m, sizes, 0, 0, size)
	checkRange(t, m, sizes, size-1, 1<<63, size)
}

func checkRange(t *testing.T, m *machine, sizes []uint32, from, length, end uint64) {
	t.Helper()
	if length == 0 {
		end = 1 << 62
	}
	var want, got []uint32
	at := uint64(0)
	for _, s := range sizes {
		if at < end && at+uint64(s) > from {
			want = append(want, s)
		}
		at += uint64(s)
	}
	q := &pb.LookupRequest{Bucket: "limits", Name: "paged", Offset: from, Length: length}
	for more := true; more; {
		answer, err := state.Lookup(m.table, q)
		if err != nil {
			t.Fatal(err)
		}
		next := answer.FirstOffset
		for _, s := range answer.Blocks.PlainSizes {
			next += uint64(s)
		}
		got = append(got, answer.Blocks.PlainSizes...)
		more = answer.More
		if q.Length > 0 {
			q.Length -= next - q.Offset
		}
		q.Offset = next
	}
	if len(got) != len(want) {
		t.Fatalf("[%d, +%d): %v, expected %v", from, length, got, want)
	}
}
