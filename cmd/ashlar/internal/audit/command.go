package audit

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/place"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

type flags struct {
	hash, object, since string
	kinds               []string
}

// Command makes `ashlar audit`.
func Command(a *app.App) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Tell what was deleted, by whom, why, and at which version",
		Long: "audit lists what was taken away, oldest first: objects that ended, blocks that lost their last\n" +
			"reference, were condemned and reaped, copies that were dropped or lost, nodes that were removed.\n" +
			"REQUEST is the id of the request that asked for it, or `leader` for the leader's own work; an\n" +
			"unreference names the versions that ended its objects, which `--since` finds.\n" +
			"A bounded number of rows is kept (`ashlar gc set --audit-rows`), in the metadata; -o json prints\n" +
			"one JSON document a line, to be kept elsewhere.\n\n" +
			"Kinds: " + strings.Join(report.AuditKinds(), ", ") + ".",
		Example: "  ashlar audit --object docs/notes.txt\n  ashlar audit --hash 7dbfe26f845c4ebe9a10f5a25b067e4882b95a375630390c39df7e8012ba2364\n" +
			"  ashlar audit --kind remove-node,lost\n  ashlar audit --since 1.4711 -o json >>audit.jsonl",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range []string{"hash", "object", "since"} {
				if set := cmd.Flags().Lookup(name); set.Changed && set.Value.String() == "" {
					return protocol.Errorf(protocol.InvalidArgument, "--%s is empty; leave it out to have rows about everything", name)
				}
			}
			filter, err := f.filter()
			if err != nil {
				return err
			}
			c, err := a.Open(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			return print(cmd, a, c, filter)
		},
	}
	cmd.Flags().StringVar(&f.hash, "hash", "", "only about the block of this `hash`")
	cmd.Flags().StringVar(&f.object, "object", "", "only about this object: `BUCKET/KEY`, or a bucket")
	cmd.Flags().StringSliceVar(&f.kinds, "kind", nil, "only these `kinds`")
	cmd.Flags().StringVar(&f.since, "since", "", "only at this `version` or later")
	return cmd
}

func (f *flags) filter() (out client.AuditFilter, err error) {
	if f.hash != "" {
		if out.Hash, err = protocol.ParseHash(f.hash); err != nil {
			return out, err
		}
	}
	if f.since != "" {
		if out.Since, err = protocol.ParseVersion(f.since); err != nil {
			return out, err
		}
	}
	if f.object != "" {
		o, err := place.ParsePrefix(f.object)
		if err != nil {
			return out, err
		}
		out.Bucket, out.Name = o.Bucket, o.Key
	}
	for _, word := range f.kinds {
		kind, err := report.ParseAuditKind(word)
		if err != nil {
			return out, err
		}
		out.Kinds = append(out.Kinds, kind)
	}
	return out, nil
}

// print writes rows as they come: there may be many.
func print(cmd *cobra.Command, a *app.App, c *client.Client, filter client.AuditFilter) error {
	head := true
	for row, err := range c.Audit(cmd.Context(), filter) {
		if err != nil {
			return err
		}
		r := report.AuditOf(row)
		if a.Screen.JSON {
			if err := a.Screen.Record(r); err != nil {
				return err
			}
			continue
		}
		if head {
			a.Screen.Printf(line, "VERSION", "TIME", "KIND", "REQUEST", "ABOUT")
			head = false
		}
		at := time.UnixMilli(r.AtUnixMs).UTC().Format(time.DateTime)
		a.Screen.Printf(line, r.Version, at, r.Kind, terminal.Safe(r.Request), about(r))
	}
	if head && !a.Screen.JSON {
		a.Screen.Notef("nothing of that is in the audit")
	}
	return nil
}

const line = "%-10s  %-19s  %-13s  %-18s  %s\n"

// maxNamed bounds the objects and hashes that a line names.
const maxNamed = 3

// about is what a row speaks of, in short.
func about(r report.Audit) string {
	var parts []string
	switch {
	case len(r.Objects) > 0:
		var names []string
		for _, o := range r.Objects {
			names = append(names, terminal.Safe(r.Bucket+"/"+o.Name)+" of "+o.Version)
		}
		parts = append(parts, some(names, "objects"))
	case r.Bucket != "":
		parts = append(parts, terminal.Safe(r.Bucket+"/"+r.Prefix))
	}
	if len(r.Hashes) > 0 {
		parts = append(parts, some(short(r), "blocks"))
	}
	if r.Upload != "" {
		parts = append(parts, "upload "+r.Upload)
	}
	if r.Kind == "remove-node" {
		parts = append(parts, fmt.Sprintf("node %d", r.Nodes[0]))
		if r.AcceptLoss {
			parts = append(parts, fmt.Sprintf("loss accepted, %d blocks with too few copies", r.CriticalBlocks))
		}
	}
	if r.Upto != "" {
		parts = append(parts, "up to "+r.Upto)
	}
	if len(r.Causes) > 0 {
		parts = append(parts, "by "+some(r.Causes, "versions"))
	}
	return strings.Join(parts, "; ")
}

func short(r report.Audit) (names []string) {
	for i, h := range r.Hashes {
		name := h[:16]
		if i < len(r.Nodes) {
			name += fmt.Sprintf(" on node %d", r.Nodes[i])
		}
		names = append(names, name)
	}
	return names
}

func some(names []string, what string) string {
	if len(names) <= maxNamed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more %s", strings.Join(names[:maxNamed], ", "), len(names)-maxNamed, what)
}
