package state_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// bulk is a machine that fails its test when an entry touches too many rows, with
// the invariants checked on demand only.
type bulk struct {
	*machine
	counting *countingTable
}

func newBulk(t *testing.T, nodes int) *bulk {
	t.Helper()
	counting := &countingTable{Table: table.NewMemory()}
	b := &bulk{newMachineOn(t, counting), counting}
	b.unchecked = true
	b.bootstrap(nodes)
	return b
}

func (b *bulk) one(c *record.Command) *record.Result {
	b.tb.Helper()
	r := b.machine.one(c)
	if b.counting.most > protocol.MaxEntryRows {
		b.tb.Fatalf("%T: an entry touched %d rows", c.Body, b.counting.most)
	}
	return r
}

// effect is one whose command has to be accepted.
func (b *bulk) effect(c *record.Command) *record.EffectResult {
	b.tb.Helper()
	r := b.one(c)
	if r.Kind != 0 {
		b.tb.Fatalf("%T: %s: %s", c.Body, protocol.Kind(r.Kind), r.Detail)
	}
	return r.GetEffect()
}

func (b *bulk) verify() {
	b.tb.Helper()
	if err := state.Check(b.table); err != nil {
		b.tb.Fatal(err)
	}
}

// object commits n new blocks that nodes hold, as an object of that name.
func (b *bulk) object(name string, n int, nodes ...uint32) (hashes []byte) {
	b.tb.Helper()
	for part := 0; n > 0; part++ {
		count := min(n, protocol.MaxBlocksPerPage)
		blocks := manyBlocks(fmt.Sprint(name, part, " "), count)
		q := withBlocks(blocks, claimsOf(count, b.Version(), nodes[:min(len(nodes), protocol.MaxClaimsPerBlock)]...))
		q.Name = fmt.Sprint(name, part)
		if r := b.one(commitCommand(q)); r.Kind != 0 {
			b.tb.Fatal(r.Detail)
		}
		if rest := nodes[min(len(nodes), protocol.MaxClaimsPerBlock):]; len(rest) > 0 {
			b.one(&record.Command{Body: &record.Command_Copied{Copied: &pb.ClaimsRequest{Blocks: blocks, Claims: claimsOf(count, b.Version(), rest...)}}})
		}
		hashes = append(hashes, blocks.Hashes...)
		n -= count
	}
	return hashes
}

func (b *bulk) end(name string, parts int) {
	b.tb.Helper()
	for part := range parts {
		b.must(&record.Command{Body: &record.Command_Delete{Delete: &pb.DeleteRequest{Bucket: "limits", Items: []*pb.DeleteItem{{Name: fmt.Sprint(name, part)}}}}})
	}
	drain(b.tb.(*testing.T), b.machine)
}

// lane lists what the schedule has of a class in a lane.
func (b *bulk) lane(class, lane uint32, limit int) (hashes []byte) {
	b.tb.Helper()
	rows, err := state.Due(b.table, class, lane, math.MaxInt64, state.Place{}, limit)
	if err != nil {
		b.tb.Fatal(err)
	}
	for _, w := range rows {
		hashes = append(hashes, w.Hash[:]...)
	}
	return hashes
}

// TestBulkReclaim takes blocks with more copies than redundancy asks for from
// live to gone, in the largest batches: no entry touches too many rows, and what
// one leaves over the next one does.
func TestBulkReclaim(t *testing.T) {
	const blocks = 2000
	nodes := []uint32{1, 2, 3, 4, 5, 6, 7, 8}
	b := newBulk(t, len(nodes))
	b.object("a", blocks, nodes...)
	b.verify()
	b.end("a", blocks/protocol.MaxBlocksPerPage)
	b.verify()
	for hashes := b.lane(state.ClassCondemn, 0, state.MaxBatch); len(hashes) > 0; hashes = b.lane(state.ClassCondemn, 0, state.MaxBatch) {
		if e := b.effect(&record.Command{Body: &record.Command_Condemn{Condemn: &record.Condemn{Hashes: hashes}}}); e.Applied == 0 {
			t.Fatal("a batch of condemnations did nothing")
		}
	}
	b.verify()
	for _, node := range nodes {
		for hashes := b.lane(state.ClassDelete, node, state.MaxBatch); len(hashes) > 0; hashes = b.lane(state.ClassDelete, node, state.MaxBatch) {
			if e := b.effect(acknowledgements(t, b, node, hashes)); e.Ignored > 0 {
				t.Fatal("an acknowledgement was ignored")
			}
		}
	}
	b.verify()
	for hashes := b.lane(state.ClassReap, 0, state.MaxBatch); len(hashes) > 0; hashes = b.lane(state.ClassReap, 0, state.MaxBatch) {
		if e := b.effect(&record.Command{Body: &record.Command_Reap{Reap: &record.Reap{Upto: versionPB(b.Version()), Hashes: hashes}}}); e.Ignored > 0 {
			t.Fatal("a row that was due was not reaped")
		}
	}
	b.verify()
	counters, err := state.Recount(b.table)
	if err != nil || counters.CondemnedBlocks+counters.UnreferencedBlocks+counters.LiveBlocks != 0 {
		t.Fatal(err, counters)
	}
}

func acknowledgements(t *testing.T, b *bulk, node uint32, hashes []byte) *record.Command {
	q := &record.Deleted{}
	for ; len(hashes) > 0; hashes = hashes[protocol.HashSize:] {
		row, ok, err := state.BlockRow(b.table, protocol.Hash(hashes))
		if err != nil || !ok {
			t.Fatal(err, ok)
		}
		q.Items = append(q.Items, &record.DeletedItem{Order: &record.NodeBlock{Hash: hashes[:protocol.HashSize], Node: node, Version: row.Floor}})
	}
	return &record.Command{Body: &record.Command_Deleted{Deleted: q}}
}

// TestBulkSettings: a change of R and Q is carried through in steps, during which
// writes go on, a second change and a removal wait.
func TestBulkSettings(t *testing.T) {
	b := newBulk(t, 4)
	b.object("a", 2*state.MaxBatch, 1, 2, 3)
	b.object("b", 100, 1, 2)
	settings := func(r, q uint32) *record.Result {
		cluster, err := state.ClusterRow(b.table)
		if err != nil {
			t.Fatal(err)
		}
		return b.one(&record.Command{Body: &record.Command_PutSettings{PutSettings: &record.PutSettings{
			Settings: &record.Settings{Redundancy: r, Quorum: q}, IfVersion: cluster.SettingsVersion,
		}}})
	}
	if r := settings(4, 3); r.Kind != 0 {
		t.Fatal(r.Detail)
	}
	b.verify()
	if r := settings(3, 2); r.Kind != uint32(protocol.Unavailable) {
		t.Fatalf("a second change meanwhile: %v", r)
	}
	if r := b.one(removeNode(4, false)); r.Kind != uint32(protocol.Unavailable) {
		t.Fatalf("a removal meanwhile: %v", r)
	}
	b.object("c", 300, 1, 2, 3)
	b.object("d", 300, 1, 2, 3, 4)
	b.end("b", 1)
	b.verify()
	steps := 0
	for ; ; steps++ {
		cluster, err := state.ClusterRow(b.table)
		if err != nil {
			t.Fatal(err)
		}
		if cluster.Indexed == nil {
			break
		}
		step := &record.Command{Body: &record.Command_Reindex{Reindex: &record.Reindex{Cursor: cluster.ReindexCursor, Count: 200}}}
		b.effect(step)
		b.verify()
		if e := b.effect(step); e.Ignored != 1 {
			t.Fatal("a step was done twice")
		}
	}
	if steps < 2 {
		t.Fatalf("%d steps", steps)
	}
	if r := b.one(removeNode(4, false)); r.Kind != 0 {
		t.Fatal(r.Detail)
	}
	b.verify()
}

func removeNode(node uint32, acceptLoss bool) *record.Command {
	return &record.Command{Body: &record.Command_RemoveNode{RemoveNode: &record.RemoveNode{Node: node, AcceptLoss: acceptLoss}}}
}

// TestBulkClean: a node's mentions are cleaned in steps that pass over any number
// of other blocks, a bounded number in each.
func TestBulkClean(t *testing.T) {
	b := newBulk(t, 4)
	b.object("others", 5000, 2, 3, 4)
	b.object("a", 700, 1, 2, 3)
	if r := b.one(removeNode(1, false)); r.Kind != 0 {
		t.Fatal(r.Detail)
	}
	cleaned, steps := uint32(0), 0
	for ; ; steps++ {
		nodes, err := state.Nodes(b.table)
		if err != nil {
			t.Fatal(err)
		}
		if nodes[0].Cleaned {
			break
		}
		cleaned += b.effect(&record.Command{Body: &record.Command_CleanNode{CleanNode: &record.CleanNode{
			Node: 1, Cursor: nodes[0].CleanCursor, Count: state.MaxBatch,
		}}}).Applied
	}
	b.verify()
	if cleaned != 700 || steps < 2 {
		t.Fatalf("%d mentions in %d steps", cleaned, steps)
	}
	if got := len(b.lane(state.ClassRedundancy, 2, 1000)) / protocol.HashSize; got != 700 {
		t.Fatalf("%d blocks lack a copy", got)
	}
}

// TestBulkPages: taking an upload of many short pages back stops where the entry
// has no more room, and goes on in the next.
func TestBulkPages(t *testing.T) {
	const pages = 1000
	b := newBulk(t, 3)
	b.must(openSession("session"))
	b.must(&record.Command{Body: &record.Command_CreateUpload{CreateUpload: &record.CreateUpload{Call: b.call("session", 1, 0), Upload: id("upload"), Bucket: "limits"}}})
	for page := range uint32(pages) {
		b.must(&record.Command{NowUnixMs: 1, Body: &record.Command_AppendUpload{AppendUpload: &pb.UploadAppendRequest{
			Upload: id("upload"), Page: page, Blocks: blocksOf(fmt.Sprint(page)), Claims: claimsOf(1, b.Version(), 1, 2),
		}}})
	}
	b.must(&record.Command{Body: &record.Command_AbortUpload{AbortUpload: &pb.UploadAbortRequest{Upload: id("upload")}}})
	cluster, err := state.ClusterRow(b.table)
	if err != nil {
		t.Fatal(err)
	}
	b.must(&record.Command{Body: &record.Command_PutSettings{PutSettings: &record.PutSettings{
		Settings: &record.Settings{Redundancy: 3, Quorum: 2, GraceMs: 1000}, IfVersion: cluster.SettingsVersion,
	}}})
	jobs, err := state.Jobs(b.table, 1)
	if err != nil || len(jobs) != 1 {
		t.Fatal(err, jobs)
	}
	step := &record.UnreferenceStep{Job: versionPB(jobs[0].Job), Count: pages}
	if r := b.one(&record.Command{Body: &record.Command_Unreference{Unreference: &record.Unreference{Steps: []*record.UnreferenceStep{step}}}}); r.Kind != 0 {
		t.Fatal(r.Detail)
	}
	b.verify()
	if jobs, err = state.Jobs(b.table, 1); err != nil || len(jobs) != 1 || jobs[0].Left == 0 || jobs[0].Left > pages/2 {
		t.Fatalf("%v: the step went on too far or stopped too early: %v", err, jobs)
	}
	drain(t, b.machine)
	b.verify()
}

// TestBulkRevive: reviving blocks touches their rows of the schedule too. What one
// entry cannot hold beside others is Busy, and no session remembers that.
func TestBulkRevive(t *testing.T) {
	const pages, page = 3, protocol.MaxBlocksPerPage
	b := newBulk(t, 3)
	b.must(openSession("session"))
	hashes := b.object("a", pages*page, 1, 2, 3)
	b.end("a", pages)
	for part := range slices.Chunk(hashes, page*protocol.HashSize) {
		b.effect(&record.Command{Body: &record.Command_Condemn{Condemn: &record.Condemn{Hashes: part}}})
	}
	revive := func(at int) *record.Command {
		blocks := &pb.Blocks{Hashes: hashes[at*page*protocol.HashSize : (at+1)*page*protocol.HashSize]}
		for range page {
			blocks.PlainSizes, blocks.StoredSizes = append(blocks.PlainSizes, 100), append(blocks.StoredSizes, 60)
		}
		q := withBlocks(blocks, claimsOf(page, b.Version(), 1, 2, 3))
		q.Name, q.Call = fmt.Sprint("again", at), b.call("session", uint64(at+1), 0)
		return commitCommand(q)
	}
	for node := range uint32(3) {
		for part := range slices.Chunk(b.lane(state.ClassDelete, node+1, pages*page), page*protocol.HashSize) {
			b.effect(postponeAll(state.ClassDelete, node+1, part))
		}
	}
	b.verify()
	results := b.apply(revive(0), revive(1), revive(2))
	if results[0].Kind != 0 || results[1].Kind != 0 || results[2].Kind != uint32(protocol.Busy) {
		t.Fatal(results)
	}
	if r := b.one(revive(2)); r.Kind != 0 {
		t.Fatalf("sent again: %v", r)
	}
	b.verify()
}

func postponeAll(class, lane uint32, hashes []byte) *record.Command {
	q := &record.Postpone{}
	for ; len(hashes) > 0; hashes = hashes[protocol.HashSize:] {
		q.Items = append(q.Items, &record.PostponeItem{Class: class, Lane: lane, Hash: hashes[:protocol.HashSize], DueUnixMs: 7})
	}
	return &record.Command{Body: &record.Command_Postpone{Postpone: q}}
}
