package sim

import (
	"fmt"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// describe says what a command asked for and came to, in one line.
func describe(c *record.Command, r *record.Result) string {
	result := "version " + unwire(r.Version).String()
	if r.Kind != 0 {
		result = fmt.Sprintf("%s (%s)", protocol.Kind(r.Kind), r.Detail)
	}
	return body(c) + " -> " + result
}

func body(c *record.Command) string {
	switch b := c.Body.(type) {
	case *record.Command_Commit:
		return fmt.Sprintf("commit %s %s, claims%s, call %s", b.Commit.Name, hashes(b.Commit.Blocks.GetHashes()), claims(b.Commit.Claims), call(b.Commit.Call))
	case *record.Command_AppendUpload:
		return fmt.Sprintf("append %s, claims%s, call %s", hashes(b.AppendUpload.Blocks.GetHashes()), claims(b.AppendUpload.Claims), call(b.AppendUpload.Call))
	case *record.Command_Copied:
		return fmt.Sprintf("copied %s, claims%s", hashes(b.Copied.Blocks.GetHashes()), claims(b.Copied.Claims))
	case *record.Command_Condemn:
		return "condemn " + hashes(b.Condemn.Hashes)
	case *record.Command_Reap:
		return fmt.Sprintf("reap %s, W to %s", hashes(b.Reap.Hashes), unwire(b.Reap.Upto))
	case *record.Command_Drop:
		return "drop " + items(b.Drop.Items)
	case *record.Command_Lost:
		return "lost " + items(b.Lost.Items)
	case *record.Command_Deleted:
		text := "deleted"
		for _, i := range b.Deleted.Items {
			text += " " + items([]*record.NodeBlock{i.Order})
			if i.Kept != nil {
				text += fmt.Sprintf(" (kept at %s)", unwire(i.Kept.Version))
			}
		}
		return text
	case *record.Command_Register:
		return fmt.Sprintf("register %s, acks %d, start %x", b.Register.Address, b.Register.Disks[0].Acks, b.Register.Start[:3])
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", c.Body), "*record.Command_") + fmt.Sprintf(" %.160v", c)
}

func call(c *pb.Call) string {
	if c == nil {
		return "none"
	}
	return fmt.Sprintf("%x/%d", c.Session[:3], c.Sequence)
}

func hashes(packed []byte) string {
	var out []string
	for ; len(packed) >= protocol.HashSize; packed = packed[protocol.HashSize:] {
		out = append(out, short(packed))
	}
	return "[" + strings.Join(out, " ") + "]"
}

func short(h []byte) string { return fmt.Sprintf("%x", h[:3]) }

func claims(list []*pb.Claim) (text string) {
	for _, c := range list {
		text += fmt.Sprintf(" %d:node %d.%d@%d.%d#%d", c.Block, c.Node, c.Incarnation, c.Generation, c.Counter, c.Ack)
	}
	return text
}

func items(list []*record.NodeBlock) (text string) {
	for _, i := range list {
		text += fmt.Sprintf("%s on node %d at %s ", short(i.Hash), i.Node, unwire(i.Version))
	}
	return text
}

func describeOrders(list []*pb.Order) string {
	var out []string
	for _, o := range list {
		out = append(out, fmt.Sprintf("%s %s at %s", schedule.KindName(o.Kind), short(o.Hash), unwire(o.Version)))
	}
	return strings.Join(out, ", ")
}

// explain says all about a block.
func (f *facts) explain(i int) string {
	text := fmt.Sprintf("row %v, W %s, version %s, files", f.rows[i], unwire(f.cluster.Watermark), versionOf(f.cluster))
	for _, n := range f.w.nodes {
		text += fmt.Sprintf(" %d:%s", n.slot+1, n.files[i].version)
	}
	return text
}

// name is what a block is called in traces.
func (w *world) name(i int) string {
	if i < 0 {
		return "unknown block"
	}
	return fmt.Sprintf("block %c", 'A'+i)
}
