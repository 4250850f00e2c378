package rules

import (
	"fmt"
	"strings"
)

// room says what the packages at and below dir may import of ours.
type room struct {
	dir string
	// may lists import folders; "x/..." means x and all below it.
	may []string
}

// rooms is the picture of system.md (Rooms): the first that holds a folder
// counts, so inner rooms stand before outer ones.
var rooms = []room{
	{"cmd", []string{"..."}},
	{"integration", []string{"..."}},
	{"client/ashlartest", []string{"..."}},

	{"protocol/rpc", []string{"protocol", "protocol/pb", "protocol/rpc/..."}},
	{"protocol/pb", nil},
	{"protocol", nil},

	{"metaserver/state/record", []string{"protocol/pb"}},
	{"metaserver/state/placement", []string{"protocol"}},
	{"metaserver/state", []string{"protocol", "protocol/pb", "metaserver/state/..."}},
	{"metaserver/schedule", []string{"protocol", "protocol/pb", "metaserver/state/..."}},
	{"metaserver/table", []string{"protocol", "metaserver/state/...", "metaserver/table/..."}},
	{"metaserver/replica", []string{"protocol/...", "metaserver/state/...", "metaserver/table", "metaserver/replica/..."}},
	{"metaserver/dispatch", []string{"protocol/...", "metaserver/state/...", "metaserver/schedule", "metaserver/replica"}},
	{"metaserver/api", []string{"protocol/...", "metaserver/state/...", "metaserver/replica", "metaserver/dispatch", "metaserver/api/..."}},
	{"metaserver", []string{"protocol/...", "metaserver/..."}},

	{"blockserver/durable", []string{"protocol", "blockserver/durable/..."}},
	{"blockserver/store", []string{"protocol", "blockserver/durable/...", "blockserver/store/..."}},
	{"blockserver/orders", []string{"protocol/...", "blockserver/store"}},
	{"blockserver", []string{"protocol/...", "blockserver/..."}},

	{"client", []string{"protocol/...", "client/..."}},
}

// owners names the rooms that alone know a library, tests and the top layer
// aside: replacing it must not be felt anywhere else.
var owners = map[string][]string{
	"github.com/hashicorp/raft":        {"metaserver/replica"},
	"github.com/hashicorp/raft-boltdb": {"metaserver/replica"},
	"github.com/cockroachdb/pebble":    {"metaserver/table"},
	"github.com/spf13/cobra":           {"cmd"},
	"github.com/zeebo/blake3":          {"protocol"},
}

// topLayer may import every room, and tests may import it.
var topLayer = []string{"cmd", "integration", "client/ashlartest"}

// CheckArrows finds imports that point up or sideways, folders without a room,
// and libraries used outside the room that owns them. Tests may besides import
// the top layer and the other rooms of their own role.
func CheckArrows(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.Packages {
		r := roomOf(p.Dir)
		if r == nil {
			out = append(out, Finding{p.Dir, "stands in no room; give it one in integration/rules/arrows.go"})
			continue
		}
		for _, f := range p.Files {
			for _, imported := range imports(f) {
				if text := arrow(p.Dir, r, f.Test, imported); text != "" {
					out = append(out, Finding{f.Path, text})
				}
			}
		}
	}
	return out
}

func roomOf(dir string) *room {
	for i := range rooms {
		if within(dir, rooms[i].dir) {
			return &rooms[i]
		}
	}
	return nil
}

// arrow explains why an import is wrong, or returns "".
func arrow(dir string, r *room, test bool, imported string) string {
	ours, isOurs := strings.CutPrefix(imported, Module+"/")
	if !isOurs {
		return foreign(dir, test, imported)
	}
	if ours == dir || allowed(r.may, ours) {
		return ""
	}
	role, _, _ := strings.Cut(dir, "/")
	if test && (inAny(ours, topLayer) || within(ours, role) || within(ours, "protocol")) {
		return ""
	}
	return fmt.Sprintf("%s must not import %s: arrows go down only, and roles meet in protocol", dir, ours)
}

func foreign(dir string, test bool, imported string) string {
	if test || inAny(dir, topLayer) {
		return ""
	}
	for library, homes := range owners {
		if within(imported, library) && !inAny(dir, homes) {
			return fmt.Sprintf("%s must not import %s: only %s knows it", dir, imported, strings.Join(homes, ", "))
		}
	}
	return ""
}

func allowed(may []string, ours string) bool {
	for _, m := range may {
		below, all := strings.CutSuffix(m, "...")
		if all && (below == "" || within(ours, strings.TrimSuffix(below, "/"))) || m == ours {
			return true
		}
	}
	return false
}

func inAny(dir string, parents []string) bool {
	for _, p := range parents {
		if within(dir, p) {
			return true
		}
	}
	return false
}

// sdkBans are libraries that the SDK's users must not be made to build.
var sdkBans = []string{
	"github.com/hashicorp/raft",
	"github.com/hashicorp/raft-boltdb",
	"github.com/cockroachdb/pebble",
	"go.opentelemetry.io",
	"github.com/spf13/cobra",
	"github.com/prometheus/client_golang",
}

// CheckSDK finds banned libraries among everything that package client needs,
// directly or through others.
func CheckSDK(deps []string) []Finding {
	var out []Finding
	for _, dep := range deps {
		if inAny(dep, sdkBans) {
			out = append(out, Finding{"client", "needs " + dep + ", which the SDK must not pull in"})
		}
	}
	return out
}
