package state_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// withTrash is everything, in a bucket that keeps what ends for a second, with an
// object of blocks and one of pages in the trash.
func withTrash(t *testing.T) *machine {
	m := everything(t)
	m.must(putBucket("limits", 1000))
	m.must(commitCommand(&pb.CommitRequest{Bucket: "limits", Name: "paged", Upload: id("upload"), Size: 200}))
	m.must(deleteNames("limits", "first", "paged"))
	return m
}

func putBucket(bucket string, keepMs uint64) *record.Command {
	return &record.Command{Body: &record.Command_PutBucket{PutBucket: &record.PutBucket{Bucket: bucket, TrashKeepMs: keepMs}}}
}

func deleteNames(bucket string, names ...string) *record.Command {
	q := &pb.DeleteRequest{Bucket: bucket}
	for _, name := range names {
		q.Items = append(q.Items, &pb.DeleteItem{Name: name})
	}
	return &record.Command{Body: &record.Command_Delete{Delete: q}}
}

func (d damaged) trashed(f func(*record.Trashed)) {
	t := &record.Trashed{}
	d.change("t", t, func() { f(t) })
}

// TestCheckSeesTrash is TestCheckSees for the trash.
func TestCheckSeesTrash(t *testing.T) {
	cases := []struct {
		invariant, what string
		damage          func(damaged)
	}{
		{"references", "a trashed object lost", func(d damaged) { d.remove("t") }},
		{"references", "a trashed object emptied", func(d damaged) { d.trashed(func(t *record.Trashed) { t.Object = nil }) }},
		{"trash", "a due time lost", func(d damaged) { d.remove("T") }},
		{"trash", "another due time", func(d damaged) { d.trashed(func(t *record.Trashed) { t.DueUnixMs++ }) }},
		{"trash", "a due time of nothing", func(d damaged) {
			d.put("T\x00\x00\x00\x00\x00\x00\x03\xe8limits\x00x\x00"+strings.Repeat("\xff", protocol.VersionSize), nil)
		}},
		{"trash", "another version", func(d damaged) { d.trashed(func(t *record.Trashed) { t.Object.Version.Counter-- }) }},
		{"trash", "ended before it began", func(d damaged) { d.trashed(func(t *record.Trashed) { t.Ended = t.Object.Version }) }},
		{"trash", "ended in a time to come", func(d damaged) { d.trashed(func(t *record.Trashed) { t.Ended.Counter = 99 }) }},
		{"trash", "a size that is not the content's", func(d damaged) { d.trashed(func(t *record.Trashed) { t.Object.Size++ }) }},
		{"trash", "a key that names nothing", func(d damaged) { d.put("tlimits", nil) }},
		{"uploads", "pages that nobody owns", func(d damaged) {
			list, err := state.TrashList(d, &pb.TrashListRequest{Bucket: "limits", Prefix: "paged"})
			if err != nil || len(list.Objects) != 1 {
				d.t.Fatal(list, err)
			}
			version := protocol.Version{Generation: 1, Counter: list.Objects[0].Object.Version.Counter}
			if err := d.Write([]state.Mutation{{Key: state.KeyTrash("limits", "paged", version), Delete: true}}); err != nil {
				d.t.Fatal(err)
			}
		}},
		{"buckets", "settings that end in a time to come", func(d damaged) {
			d.cluster(func(c *record.Cluster) { c.BucketsCleared = &pb.Version{Generation: 1, Counter: 99} })
		}},
		{"buckets", "settings that say nothing", func(d damaged) { d.put("klimits", nil) }},
		{"buckets", "settings of a time to come", func(d damaged) {
			b := &record.Bucket{}
			d.change("k", b, func() { b.Version.Counter = 99 })
		}},
		{"counters", "a count of the trash", func(d damaged) { d.cluster(func(c *record.Cluster) { c.Counters.TrashObjects++ }) }},
	}
	for _, c := range cases {
		t.Run(c.invariant+"/"+c.what, func(t *testing.T) {
			d := damaged{t, withTrash(t).table.(*table.Memory)}
			c.damage(d)
			if err := state.Check(d); err == nil || !strings.HasPrefix(err.Error(), "state: invariant "+c.invariant+":") {
				t.Fatalf("found %v", err)
			}
		})
	}
}

// TestDamagedTrash: a row or key of the trash that cannot be read is Corrupt
// wherever it is met.
func TestDamagedTrash(t *testing.T) {
	d := damaged{t, withTrash(t).table.(*table.Memory)}
	d.put("tlimits\x00a", []byte("damaged"))
	d.put("T", nil)
	_, due := state.DueTrash(d, 5, 1)
	_, list := state.TrashList(d, &pb.TrashListRequest{Bucket: "limits"})
	_, buckets := state.TrashList(d, &pb.TrashListRequest{})
	_, holders := state.Holders(d, protocol.HashOf([]byte("A")), nil, 100)
	_, recount := state.Recount(d)
	for i, err := range []error{due, list, buckets, holders, recount} {
		if protocol.KindOf(err) != protocol.Corrupt {
			t.Errorf("read %d: %v", i, err)
		}
	}
}

// TestTrashHolders: who refers to a block is told of the trash too, in pages of
// any size.
func TestTrashHolders(t *testing.T) {
	m := withTrash(t)
	for limit := 1; limit < 9; limit++ {
		found := map[string]uint64{}
		for after, more := []byte(nil), true; more; {
			page, err := state.Holders(m.table, protocol.HashOf([]byte("A")), after, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range page.Holders {
				found[h.Kind+" "+h.Bucket+"/"+h.Name+" "+v(h.Version)] += h.References
			}
			after, more = page.Next, page.Next != nil
		}
		if found["trashed object limits/first 1.6"] != 1 || len(found) != 3 {
			t.Fatalf("pages of %d: %v", limit, found)
		}
	}
}

// TestTrashBatches empties more objects than one command takes, each of as many
// blocks as a commit may have: no entry touches too many rows, and nothing is left.
func TestTrashBatches(t *testing.T) {
	const objects = 2*protocol.MaxTrashBatch + 50
	b := newBulk(t, 3)
	b.must(putBucket("limits", 1000))
	blocks := manyBlocks("", 100)
	for i := range objects {
		q := withBlocks(blocks, claimsOf(100, b.Version(), 1, 2))
		q.Name = fmt.Sprint("object", i%7)
		b.must(commitCommand(q))
	}
	for i := range 7 {
		b.must(deleteNames("limits", fmt.Sprint("object", i)))
	}
	b.verify()
	rounds := 0
	for ; ; rounds++ {
		items, err := state.DueTrash(b.table, math.MaxInt64-1, protocol.MaxTrashBatch)
		if err != nil {
			t.Fatal(err)
		}
		if len(items) == 0 {
			break
		}
		r := b.must(&record.Command{Body: &record.Command_EmptyTrash{EmptyTrash: &record.EmptyTrash{Items: items}}}).GetEmptyTrash()
		if int(r.Applied) != len(items) || r.Bytes != 10_000*uint64(len(items)) {
			t.Fatalf("%d items: %v", len(items), r)
		}
	}
	if rounds != 3 {
		t.Errorf("emptied in %d commands", rounds)
	}
	b.verify()
	drain(t, b.machine)
	b.verify()
	status, err := state.Status(b.table)
	if err != nil || status.Counters.References != 0 || status.Counters.TrashObjects != 0 || status.Counters.UnreferencedBlocks != 100 {
		t.Fatal(err, status.Counters)
	}
}

// TestTrashLimits: at each limit a command is well-formed, one beyond it is not.
func TestTrashLimits(t *testing.T) {
	items := func(n int) *record.Command {
		item := &record.TrashItem{Bucket: "limits", Name: "n", Version: sampleVersion()}
		q := &record.EmptyTrash{}
		for range n {
			q.Items = append(q.Items, item)
		}
		return &record.Command{Body: &record.Command_EmptyTrash{EmptyTrash: q}}
	}
	undelete := func(name string, p *pb.Precondition) *record.Command {
		return &record.Command{Body: &record.Command_Undelete{Undelete: &pb.UndeleteRequest{Bucket: "limits", Name: name, Precondition: p}}}
	}
	long := strings.Repeat("n", protocol.MaxNameLength)
	for _, c := range []struct {
		what         string
		good, beyond *record.Command
	}{
		{"items", items(protocol.MaxTrashBatch), items(protocol.MaxTrashBatch + 1)},
		{"no items", items(1), items(0)},
		{"name", undelete(long, nil), undelete(long+"n", nil)},
		{"precondition", undelete("n", &pb.Precondition{}), undelete("n", &pb.Precondition{Kind: 9})},
		{"keep", putBucket("limits", protocol.MaxTrashKeepMs), putBucket("limits", protocol.MaxTrashKeepMs+1)},
		{"bucket", putBucket("limits", 1), putBucket("l", 1)},
	} {
		if err := state.Validate(c.good); err != nil {
			t.Errorf("%s at its limit: %v", c.what, err)
		}
		if err := state.Validate(c.beyond); err == nil {
			t.Errorf("%s beyond its limit is taken", c.what)
		}
	}
}

// TestTrashDueNeverOverflows: the latest clock and the longest keep are due at the
// end of time, and a clock before 1970 is 1970.
func TestTrashDueNeverOverflows(t *testing.T) {
	for now, want := range map[int64]int64{math.MaxInt64: math.MaxInt64, -5: protocol.MaxTrashKeepMs} {
		m := bootstrapped(t, 3)
		m.must(putBucket("limits", protocol.MaxTrashKeepMs))
		m.must(commitCommand(inline("a", 1)))
		gone := deleteNames("limits", "a")
		gone.NowUnixMs = now
		if due := m.must(gone).GetDelete().TrashDueUnixMs; due != want {
			t.Errorf("at %d it is due at %d", now, due)
		}
		if items, err := state.DueTrash(m.table, math.MinInt64, 9); err != nil || len(items) > 0 {
			t.Error("something is due before 1970", err)
		}
		if items, err := state.DueTrash(m.table, math.MaxInt64, 9); err != nil || len(items) != 1 {
			t.Error("nothing is due at the end of time", err)
		}
	}
}
