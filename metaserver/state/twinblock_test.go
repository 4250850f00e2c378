package state_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func hashesOf(b *pb.Blocks) []string {
	var out []string
	for i := range b.GetPlainSizes() {
		out = append(out, string(b.Hashes[32*i:32*i+32]))
	}
	return out
}

// believed claims on a hash, the largest u of each node.
func (w *twin) believed(hash string, floor uint64, b *pb.Blocks, claims []*pb.Claim) map[uint32]uint64 {
	out := map[uint32]uint64{}
	for _, c := range claims {
		n := w.nodes[c.Node]
		if hashesOf(b)[c.Block] == hash && n != nil && !n.removed && n.incarnation == c.Incarnation && c.Disk == 0 &&
			c.Generation == 1 && c.Counter >= floor && c.Counter <= w.version {
			out[c.Node] = max(out[c.Node], c.Counter)
		}
	}
	return out
}

func (w *twin) raiseAcks(claims []*pb.Claim) (rose bool) {
	for _, c := range claims {
		n := w.nodes[c.Node]
		if n != nil && !n.removed && n.incarnation == c.Incarnation && c.Disk == 0 && (c.Generation == 0 || c.Generation == 1 && c.Counter <= w.version) && n.acks < c.Ack {
			n.acks, rose = c.Ack, true
		}
	}
	return rose
}

// reference judges every hash of a request on a copy, and keeps the copies if
// none is refused.
func (w *twin) reference(b *pb.Blocks, claims []*pb.Claim) (refused string) {
	after := map[string]*twinBlock{}
	for _, hash := range hashesOf(b) {
		if after[hash] == nil {
			after[hash] = w.judge(hash, b, claims)
		}
		if after[hash] != nil {
			after[hash].refs++
		}
	}
	for _, hash := range sortedKeys(after) {
		if after[hash] == nil {
			refused += fmt.Sprintf(" %x", hash[:4])
		}
	}
	if refused != "" {
		return " refused" + refused
	}
	for hash, block := range after {
		w.blocks[hash] = block
	}
	w.raiseAcks(claims)
	return ""
}

// judge returns the block as the commit leaves it, references left as they were.
func (w *twin) judge(hash string, b *pb.Blocks, claims []*pb.Claim) *twinBlock {
	old := w.blocks[hash]
	if old == nil {
		old = &twinBlock{condemned: true, floor: max(twinF, w.watermark)}
	}
	believed := w.believed(hash, old.floor, b, claims)
	block := &twinBlock{refs: old.refs, floor: old.floor, copies: believed, drops: map[uint32]uint64{}}
	if old.condemned {
		for _, node := range old.pending {
			if believed[node] == 0 {
				block.drops[node] = old.floor
			}
		}
		if len(believed) < w.quorum {
			return nil
		}
		return block
	}
	for node, u := range old.copies {
		block.copies[node] = max(block.copies[node], u)
	}
	for node, t := range old.drops {
		block.drops[node] = t
	}
	trusted := 0
	for node, u := range block.copies {
		if w.trusts(node, u) {
			trusted++
		}
	}
	if trusted < w.quorum {
		return nil
	}
	return block
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// print describes everything that reads of the machine can tell.
func (w *twin) print() string {
	var out strings.Builder
	for i := range someBlocks {
		hash := protocol.HashOf(fmt.Appendf(nil, "block%d", i))
		out.WriteString(w.printBlock(i, w.blocks[string(hash[:])]))
	}
	for i := range someNames {
		if o := w.objects[fmt.Sprintf("name%d", i)]; o != nil {
			fmt.Fprintf(&out, "name%d at 1.%d size %d blocks %x\n", i, o.version, o.size, strings.Join(o.blocks, ""))
		}
	}
	var versions []uint64
	for version := range w.jobs {
		versions = append(versions, version)
	}
	slices.Sort(versions)
	for _, version := range versions {
		j := w.jobs[version]
		fmt.Fprintf(&out, "job 1.%d cursor %d left %d\n", version, j.cursor, uint64(len(j.blocks))-j.cursor)
	}
	for _, id := range sortedKeys(w.sessions) {
		fmt.Fprintf(&out, "session %x highest %d lowest %d oldest 1.%d\n", id, w.sessions[id].highest, w.sessions[id].lowest, w.sessions[id].oldest)
	}
	w.printWork(&out)
	return out.String()
}

func (w *twin) printBlock(i int, b *twinBlock) string {
	if b == nil {
		return ""
	}
	phase := "live"
	if b.condemned {
		phase = "condemned"
	} else if b.refs == 0 {
		phase = "unreferenced"
	}
	out := fmt.Sprintf("block%d %s refs %d floor 1.%d", i, phase, b.refs, b.floor)
	for node := range uint32(len(w.nodes)) {
		if u := b.copies[node+1]; u > 0 {
			out += fmt.Sprintf(" copy %d@1.%d trusted %v", node+1, u, w.trusts(node+1, u))
		}
	}
	for node := range uint32(len(w.nodes)) {
		if t := b.drops[node+1]; t > 0 {
			out += fmt.Sprintf(" drop %d@1.%d", node+1, t)
		}
	}
	return out + pending(b.pending) + "\n"
}
