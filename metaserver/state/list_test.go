package state_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// obviousList rolls all names up in one go.
func obviousList(names []string, prefix, delimiter string) []string {
	var out []string
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if at := strings.Index(name[len(prefix):], delimiter); delimiter != "" && at >= 0 {
			name = name[:len(prefix)+at+len(delimiter)] + " rolled up"
		}
		out = append(out, name)
	}
	return slices.Compact(out)
}

// TestListPages: the pages of any size, put together, are the obvious listing.
func TestListPages(t *testing.T) {
	seed := seedOf(t)
	draw := rand.New(rand.NewPCG(seed, 0))
	m := newMachine(t)
	m.unchecked = true
	m.bootstrap(0)
	parts := []string{"a", "b", "/", "//", "ä", "日", " ", "-"}
	var names []string
	for len(names) < 150 {
		name := ""
		for range 1 + draw.IntN(5) {
			name += parts[draw.IntN(len(parts))]
		}
		names = append(names, name)
		m.must(commitCommand(&pb.CommitRequest{Bucket: "names", Name: name}))
		m.must(commitCommand(&pb.CommitRequest{Bucket: "names-other", Name: name}))
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for range 300 {
		prefix, delimiter := "", ""
		for range draw.IntN(3) {
			prefix += parts[draw.IntN(len(parts))]
		}
		if draw.IntN(3) > 0 {
			delimiter = parts[draw.IntN(len(parts))]
		}
		q := &pb.ListRequest{Bucket: "names", Prefix: prefix, Delimiter: delimiter, Limit: uint32(1 + draw.IntN(20))}
		if got, want := listAll(t, m, q), obviousList(names, prefix, delimiter); !slices.Equal(got, want) {
			t.Fatalf("prefix %q delimiter %q limit %d:\ngot  %q\nwant %q", prefix, delimiter, q.Limit, got, want)
		}
	}
}

// listAll gathers all pages, each of its own merged in name order.
func listAll(t *testing.T, m *machine, q *pb.ListRequest) []string {
	t.Helper()
	var out []string
	for {
		answer, err := state.List(m.table, q)
		if err != nil {
			t.Fatal(err)
		}
		var page []string
		for _, o := range answer.Objects {
			page = append(page, o.Name)
		}
		for _, p := range answer.Prefixes {
			page = append(page, p+" rolled up")
		}
		slices.SortFunc(page, func(x, y string) int {
			return strings.Compare(strings.TrimSuffix(x, " rolled up"), strings.TrimSuffix(y, " rolled up"))
		})
		if len(page) > int(q.Limit) {
			t.Fatalf("a page of %d, limit %d", len(page), q.Limit)
		}
		out = append(out, page...)
		if answer.Next == "" {
			return out
		}
		q.After = answer.Next
	}
}

// FuzzList: no request breaks the listing, and every page moves on.
func FuzzList(f *testing.F) {
	m := newMachine(f)
	m.unchecked = true
	m.bootstrap(0)
	for i := range 40 {
		m.must(commitCommand(&pb.CommitRequest{Bucket: "names", Name: fmt.Sprintf("dir%d/file%d", i%5, i)}))
	}
	f.Add("names", "dir", "/", "dir1/", uint32(2))
	f.Add("", "n", "", "", uint32(0))
	f.Fuzz(func(t *testing.T, bucket, prefix, delimiter, after string, limit uint32) {
		answer, err := state.List(m.table, &pb.ListRequest{Bucket: bucket, Prefix: prefix, Delimiter: delimiter, After: after, Limit: limit})
		if err != nil {
			return
		}
		if answer.Next != "" && answer.Next <= after {
			t.Fatalf("after %q comes %q", after, answer.Next)
		}
	})
}
