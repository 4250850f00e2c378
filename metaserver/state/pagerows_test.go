package state_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// returning is full pages of blocks that were put once and are put again, page r
// into a bucket that asks for redundancy r.
type returning struct {
	*bulk
	pages []*pb.CommitRequest
}

// TestPageThatComesBack: a full page of blocks, each of them in the same phase and
// held by fewer nodes than, as many as or more than its redundancy, one of which is
// drained, fits in an entry alone, whatever redundancy is asked for now, and
// whether the work that it implied was due or postponed.
func TestPageThatComesBack(t *testing.T) {
	for _, held := range []uint32{2, 3, 5, 8} {
		for _, phase := range []struct {
			name string
			take func(*returning)
		}{
			{"live", func(*returning) {}},
			{"unreferenced", (*returning).unreference},
			{"condemned, owed", (*returning).condemn},
			{"condemned, deleted", func(r *returning) { r.condemn(); r.acknowledge(held) }},
		} {
			for _, postponed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/held %d/postponed %v", phase.name, held, postponed), func(t *testing.T) {
					r := newReturning(t, held)
					phase.take(r)
					if postponed {
						r.postpone()
					}
					r.comeBack(func(int) uint32 { return min(held, protocol.MaxClaimsPerBlock) })
				})
			}
		}
	}
}

// TestPageOfUnevenClaims: a request's claims are bounded together, so one block may
// have more of them than another.
func TestPageOfUnevenClaims(t *testing.T) {
	r := newReturning(t, 8)
	r.condemn()
	r.postpone()
	r.comeBack(func(block int) uint32 { return []uint32{8, 2}[block%2] })
}

func newReturning(t *testing.T, held uint32) *returning {
	const n = protocol.MaxBlocksPerPage
	r := &returning{bulk: newBulk(t, 12)}
	for redundancy := range uint32(protocol.MaxRedundancy + 1) {
		page := withBlocks(manyBlocks(fmt.Sprint(redundancy, " "), n), claimsOf(n, r.Version(), nodesFrom(1, min(held, 5))...))
		page.Name = fmt.Sprint(redundancy)
		r.bucketOf("other"+page.Name, redundancy)
		r.must(commitCommand(page))
		if held > 5 {
			r.must(&record.Command{Body: &record.Command_Copied{Copied: &pb.ClaimsRequest{Blocks: page.Blocks, Claims: claimsOf(n, r.Version(), nodesFrom(6, held)...)}}})
		}
		r.pages = append(r.pages, page)
	}
	r.change(&pb.NodeChange{Node: 1, Kind: pb.NodeChange_DRAIN})
	return r
}

func nodesFrom(first, last uint32) (nodes []uint32) {
	for n := first; n <= last; n++ {
		nodes = append(nodes, n)
	}
	return nodes
}

func (r *returning) unreference() {
	for _, page := range r.pages {
		r.must(&record.Command{NowUnixMs: 1, Body: &record.Command_Delete{Delete: &pb.DeleteRequest{Bucket: page.Bucket, Items: []*pb.DeleteItem{{Name: page.Name}}}}})
	}
	drain(r.tb.(*testing.T), r.machine)
}

func (r *returning) condemn() {
	r.unreference()
	r.each(state.ClassCondemn, 0, func(hashes []byte) {
		r.effect(&record.Command{Body: &record.Command_Condemn{Condemn: &record.Condemn{Hashes: hashes}}})
	})
}

func (r *returning) acknowledge(held uint32) {
	for node := uint32(1); node <= held; node++ {
		r.each(state.ClassDelete, node, func(hashes []byte) { r.effect(acknowledgements(r.tb.(*testing.T), r.bulk, node, hashes)) })
	}
}

// postpone has all work fail once.
func (r *returning) postpone() {
	for class := state.ClassRedundancy; class < state.ClassScrub; class++ {
		for lane := range uint32(13) {
			r.each(class, lane, func(hashes []byte) { r.effect(postponeAll(class, lane, hashes)) })
		}
	}
}

// each hands over all hashes that a lane has, a hundred at a time.
func (r *returning) each(class, lane uint32, do func(hashes []byte)) {
	all := r.lane(class, lane, len(r.pages)*protocol.MaxBlocksPerPage)
	for hashes := range slices.Chunk(all, 100*protocol.HashSize) {
		do(hashes)
	}
}

// comeBack commits each page again, with as many claims of each block as asked for.
func (r *returning) comeBack(claims func(block int) uint32) {
	r.tb.Helper()
	for redundancy, page := range r.pages {
		r.counting.most = 0
		page.Bucket, page.Claims = fmt.Sprint("other", redundancy), nil
		for i := range page.Blocks.PlainSizes {
			page.Claims = append(page.Claims, claimsOfBlock(i, r.Version(), nodesFrom(1, claims(i)))...)
		}
		if answer := r.one(commitCommand(page)); answer.Kind != 0 {
			r.tb.Errorf("redundancy %d: %s: %s", redundancy, protocol.Kind(answer.Kind), answer.Detail)
		}
		// 12 nodes, and few rows of the object, its audit and the cluster.
		if most := protocol.MaxRowsPerBlock*protocol.MaxBlocksPerPage + 12 + 8; r.counting.most > most {
			r.tb.Errorf("redundancy %d: the entry touched %d rows, of %d", redundancy, r.counting.most, most)
		}
	}
	r.verify()
}

func claimsOfBlock(block int, v protocol.Version, nodes []uint32) []*pb.Claim {
	claims := claimsOf(1, v, nodes...)
	for _, c := range claims {
		c.Block = uint32(block)
	}
	return claims
}

// TestPageOfAllNodes: a full page has room where each of its copies is on a node of
// its own, in a cluster of as many as there may be, which had more before.
func TestPageOfAllNodes(t *testing.T) {
	const n, gone = protocol.MaxBlocksPerPage, 3 * protocol.MaxNodes
	b := newBulk(t, 1)
	s := &scenario{m: b.machine}
	for i := uint32(2); i <= protocol.MaxNodes+gone; i++ {
		row := &record.Node{Identity: numbered("node", i), Incarnation: 1, State: pb.NodeState_NODE_STATE_UP, Disks: []*record.Disk{{Disk: numbered("disk", i)}}}
		if i > protocol.MaxNodes {
			row.State, row.Cleaned = pb.NodeState_NODE_STATE_REMOVED, true
		}
		s.write(state.KeyNode(i), row)
		s.fail(b.table.Write([]state.Mutation{{Key: state.KeyIdentity(row.Identity), Value: state.KeyNode(i)[1:]}}))
	}
	cluster, err := state.ClusterRow(b.table)
	s.fail(err)
	cluster.LastNode = protocol.MaxNodes + gone
	s.write(state.KeyCluster(), cluster)
	b.Machine, err = state.Open(b.table)
	s.fail(err)
	b.bucketOf("other", 1)
	page := withBlocks(manyBlocks("", n), spreadClaims(n, b.Version()))
	b.must(commitCommand(page))
	r := &returning{b, []*pb.CommitRequest{page}}
	r.condemn()
	for node := uint32(1); node <= protocol.MaxNodes; node++ {
		if hashes := r.lane(state.ClassDelete, node, n); len(hashes) > 0 {
			b.effect(postponeAll(state.ClassDelete, node, hashes))
		}
	}
	page.Bucket, page.Claims = "other", spreadClaims(n, b.Version())
	b.counting.most = 0
	b.must(commitCommand(page))
	b.verify()
	if b.counting.most < 5*n || b.counting.most > protocol.MaxEntryRows {
		t.Errorf("the entry touched %d rows", b.counting.most)
	}
}

// spreadClaims claim each of n blocks by five nodes of its own.
func spreadClaims(n int, v protocol.Version) (claims []*pb.Claim) {
	for i := range n {
		at := 1 + uint32(i)*protocol.MaxClaimsPerBlock
		claims = append(claims, claimsOfBlock(i, v, nodesFrom(at, at+protocol.MaxClaimsPerBlock-1))...)
	}
	return claims
}

// TestLongPageIsRead: blocks that were committed when a page had more of them are
// read, no more at once than a page has now.
func TestLongPageIsRead(t *testing.T) {
	const n = 3*protocol.MaxBlocksPerPage - 1
	b := newBulk(t, 3)
	blocks := manyBlocks("", n)
	object := &record.Object{Version: versionPB(b.Version()), Size: 100 * n, Blocks: blocks, BlockCount: n}
	(&scenario{m: b.machine}).write(state.KeyObject("limits", "long"), object)
	var got []byte
	for more := true; more; {
		answer, err := state.Lookup(b.table, &pb.LookupRequest{Bucket: "limits", Name: "long", Offset: uint64(100 * len(got) / protocol.HashSize)})
		if err != nil {
			t.Fatal(err)
		}
		if count := len(answer.Blocks.PlainSizes); count == 0 || count > protocol.MaxBlocksPerPage {
			t.Fatalf("an answer has %d blocks", count)
		}
		got, more = append(got, answer.Blocks.Hashes...), answer.More
	}
	if !bytes.Equal(got, blocks.Hashes) {
		t.Error("other blocks were read than were written")
	}
}
