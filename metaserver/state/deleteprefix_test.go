package state_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func deletePrefix(prefix string) *record.Command {
	return &record.Command{Body: &record.Command_DeletePrefix{DeletePrefix: &pb.DeletePrefixRequest{Bucket: "limits", Prefix: prefix}}}
}

// runPrefix does steps of a job until it has ended, as a dispatcher would, and
// returns how many there were.
func (b *bulk) runPrefix(job protocol.Version, count uint32) (steps int) {
	b.tb.Helper()
	for cursor := ""; ; steps++ {
		jobs, err := state.PrefixJobs(b.table, false)
		if err != nil {
			b.tb.Fatal(err)
		}
		if len(jobs) == 0 {
			return steps
		}
		if steps > 0 && jobs[0].Cursor == cursor {
			b.tb.Fatalf("a step did not get past %s", protocol.Quote(cursor))
		}
		cursor = jobs[0].Cursor
		if r := b.one(prefixStep(job, cursor, count)); r.Kind != 0 || r.GetPrefixStep().Stale {
			b.tb.Fatal(r)
		}
	}
}

func versionOf(r *record.Result) protocol.Version {
	return protocol.Version{Generation: r.Version.Generation, Counter: r.Version.Counter}
}

// TestBulkPrefix: a prefix of many objects, of the longest names, of none and of
// the most blocks, ends in entries within their limits, and only that prefix.
func TestBulkPrefix(t *testing.T) {
	b := newBulk(t, 3)
	for i := range 3000 {
		b.must(commitCommand(inline(fmt.Sprintf("p/small-%04d", i), 10)))
	}
	for i := range 600 {
		b.must(commitCommand(inline(fmt.Sprintf("p/%04d%s", i, strings.Repeat("n", protocol.MaxNameLength-6)), 1)))
	}
	b.object("p/blocks", 20*protocol.MaxBlocksPerPage, 1, 2)
	b.object("q/blocks", protocol.MaxBlocksPerPage, 1, 2)
	job := versionOf(b.must(deletePrefix("p/")))
	if steps := b.runPrefix(job, protocol.MaxPrefixStep); steps < 5 {
		t.Fatalf("%d steps", steps)
	}
	b.verify()
	jobs, err := state.PrefixJobs(b.table, true)
	if err != nil || len(jobs) != 1 || jobs[0].Objects != 3620 || jobs[0].References != 20*protocol.MaxBlocksPerPage || jobs[0].Kept != 0 {
		t.Fatal(err, jobs)
	}
	drain(t, b.machine)
	b.verify()
	counters, err := state.Recount(b.table)
	if err != nil || counters.Objects != 1 || counters.References != protocol.MaxBlocksPerPage || counters.UnreferencedBlocks != 20*protocol.MaxBlocksPerPage {
		t.Fatal(err, counters)
	}
	t.Logf("the largest entry touched %d rows and wrote %d bytes", b.counting.most, b.counting.mostBytes)
}

// TestMillionBlocks ends an object of a tenth of a million blocks, or of as many
// as ASHLAR_BLOCKS says: every entry stays within its limits.
func TestMillionBlocks(t *testing.T) {
	blocks := 100_000
	if text := os.Getenv("ASHLAR_BLOCKS"); text != "" {
		var err error
		if blocks, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	blocks -= blocks % protocol.MaxBlocksPerPage
	b := newBulk(t, 3)
	b.must(openSession("session"))
	b.must(&record.Command{Body: &record.Command_CreateUpload{CreateUpload: &record.CreateUpload{Call: b.call("session", 1, 0), Upload: id("upload"), Bucket: "limits"}}})
	for page := range blocks / protocol.MaxBlocksPerPage {
		q := &pb.UploadAppendRequest{Upload: id("upload"), Page: uint32(page), Blocks: manyBlocks(fmt.Sprint(page, " "), protocol.MaxBlocksPerPage)}
		q.Claims = claimsOf(protocol.MaxBlocksPerPage, b.Version(), 1, 2)
		b.must(&record.Command{Body: &record.Command_AppendUpload{AppendUpload: q}})
	}
	b.must(commitCommand(&pb.CommitRequest{Bucket: "limits", Name: "large/one", Upload: id("upload"), Size: uint64(100 * blocks)}))
	appended, bytes := b.counting.most, b.counting.mostBytes
	b.counting.most, b.counting.mostBytes = 0, 0
	b.runPrefix(versionOf(b.must(deletePrefix("large/"))), protocol.MaxPrefixStep)
	drain(t, b.machine)
	if b.counting.most > protocol.MaxEntryRows {
		t.Fatalf("an entry touched %d rows", b.counting.most)
	}
	counters, err := state.Recount(b.table)
	if err != nil || counters.References != 0 || counters.UnreferencedBlocks != uint64(blocks) || counters.UnreferenceJobs != 0 {
		t.Fatal(err, counters)
	}
	t.Logf("%d blocks: the largest entry of the upload touched %d rows and wrote %d bytes, that of the delete %d rows and %d bytes",
		blocks, appended, bytes, b.counting.most, b.counting.mostBytes)
}

// TestPrefixJobsLimits: so many run at once, and so many stay listed; the one that
// ended first goes first.
func TestPrefixJobsLimits(t *testing.T) {
	m := bootstrapped(t, 1)
	m.unchecked = true
	m.must(commitCommand(inline("a", 1)))
	var jobs []protocol.Version
	for range protocol.MaxPrefixJobs {
		jobs = append(jobs, versionOf(m.must(deletePrefix(""))))
	}
	if r := m.one(deletePrefix("")); r.Kind != uint32(protocol.LimitExceeded) {
		t.Fatal(r)
	}
	cancel := func(job protocol.Version) {
		m.must(&record.Command{Body: &record.Command_CancelPrefixJob{CancelPrefixJob: &record.CancelPrefixJob{Job: versionPB(job)}}})
	}
	// The second ends before all others, the first after all of them.
	for _, job := range append(jobs[1:], jobs[0]) {
		cancel(job)
	}
	for range protocol.MaxEndedPrefixJobs - protocol.MaxPrefixJobs + 1 {
		cancel(versionOf(m.must(deletePrefix(""))))
	}
	m.unchecked = false
	m.check()
	kept, err := state.PrefixJobs(m.table, true)
	if err != nil || len(kept) != protocol.MaxEndedPrefixJobs {
		t.Fatal(err, len(kept))
	}
	for _, j := range kept {
		if j.Upto.Counter == jobs[1].Counter {
			t.Error("the job that ended first is kept")
		}
	}
	if kept[0].Upto.Counter != jobs[0].Counter {
		t.Error("a job that ended later is gone")
	}
}

// TestAuditBytes: long rows push the oldest out before the bytes are too many, also
// where those are short and many, and what is left is the newest.
func TestAuditBytes(t *testing.T) {
	b := newBulk(t, 1)
	for range 40 {
		var commits []*record.Command
		for range 200 {
			commits = append(commits, commitCommand(inline("short", 1)))
		}
		b.apply(commits...)
	}
	name := func(i int) string { return fmt.Sprintf("%04d%s", i, strings.Repeat("n", protocol.MaxNameLength-4)) }
	var last protocol.Version
	for range protocol.MaxAuditBytes/(protocol.MaxDeleteBatch*protocol.MaxNameLength) + 20 {
		q := &pb.DeleteRequest{Bucket: "limits"}
		var commits []*record.Command
		for i := range protocol.MaxDeleteBatch {
			commits = append(commits, commitCommand(inline(name(i), 1)))
			q.Items = append(q.Items, &pb.DeleteItem{Name: name(i)})
		}
		b.apply(commits...)
		last = versionOf(b.must(&record.Command{Body: &record.Command_Delete{Delete: q}}))
		cluster, err := state.ClusterRow(b.table)
		if err != nil || cluster.Counters.AuditBytes > protocol.MaxAuditBytes {
			t.Fatal(err, cluster.Counters.AuditBytes)
		}
	}
	b.verify()
	ans, err := state.Audit(b.table, &pb.AuditRequest{After: versionPB(protocol.Version{Generation: 1, Counter: last.Counter - 1})})
	if err != nil || len(ans.Rows) != 1 || ans.Oldest.Counter < 200 {
		t.Fatal(err, ans)
	}
}
