package fleet

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// changes are the flags of a change of layout.
type changes struct {
	add, drain, cancel, weight, zone []string
}

func (c *changes) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&c.add, "add", nil, "`node` that joined and is to take blocks; may be repeated")
	f.StringSliceVar(&c.drain, "drain", nil, "`node` whose copies all move elsewhere; may be repeated")
	f.StringSliceVar(&c.cancel, "cancel-drain", nil, "draining or drained `node` that is to take blocks again; may be repeated")
	f.StringSliceVar(&c.weight, "weight", nil, "`NODE=WEIGHT`: its share as if it had so many GiB, 0 by its capacity; may be repeated")
	f.StringSliceVar(&c.zone, "zone", nil, "`NODE=ZONE` where the node stands, until it registers with another; may be repeated")
}

// list reads the flags.
func (c *changes) list() (out []*pb.NodeChange, err error) {
	for _, part := range []struct {
		texts []string
		kind  pb.NodeChange_Kind
		parse func(ch *pb.NodeChange, value string) error
	}{
		{c.add, pb.NodeChange_ADD, nil},
		{c.drain, pb.NodeChange_DRAIN, nil},
		{c.cancel, pb.NodeChange_CANCEL_DRAIN, nil},
		{c.weight, pb.NodeChange_WEIGHT, func(ch *pb.NodeChange, value string) (err error) {
			if ch.Weight, err = strconv.ParseUint(value, 10, 64); err != nil {
				err = protocol.Errorf(protocol.InvalidArgument, "a weight is a number of GiB, or 0, not %s", protocol.Quote(value))
			}
			return err
		}},
		{c.zone, pb.NodeChange_ZONE, func(ch *pb.NodeChange, value string) error {
			ch.Zone = value
			return nil
		}},
	} {
		for _, text := range part.texts {
			ch := &pb.NodeChange{Kind: part.kind}
			node, value, valued := strings.Cut(text, "=")
			if valued != (part.parse != nil) {
				return nil, protocol.Errorf(protocol.InvalidArgument, "--add, --drain and --cancel-drain take NODE, --weight and --zone NODE=VALUE; not %s", protocol.Quote(text))
			}
			if ch.Node, err = parseNode(node); err != nil {
				return nil, err
			}
			if valued {
				if err := part.parse(ch, value); err != nil {
					return nil, err
				}
			}
			out = append(out, ch)
		}
	}
	return out, nil
}

// flags spells the changes as a command line does, for the next step.
func (c *changes) flags() string {
	var b strings.Builder
	for _, part := range []struct {
		name  string
		texts []string
	}{{"add", c.add}, {"drain", c.drain}, {"cancel-drain", c.cancel}, {"weight", c.weight}, {"zone", c.zone}} {
		for _, text := range part.texts {
			fmt.Fprintf(&b, " --%s %s", part.name, text)
		}
	}
	return b.String()
}

// words prints changes for people.
func words(list []report.Change) string {
	var out []string
	for _, c := range list {
		switch c.Kind {
		case "weight":
			out = append(out, fmt.Sprintf("weight %d=%d", c.Node, c.Weight))
		case "zone":
			out = append(out, fmt.Sprintf("zone %d=%s", c.Node, c.Zone))
		default:
			out = append(out, fmt.Sprintf("%s %d", c.Kind, c.Node))
		}
	}
	return strings.Join(out, ", ")
}
