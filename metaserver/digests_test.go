package metaserver_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver"
	"github.com/seed-7d21a5b5/ashlar/metaserver/api/admin"
	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestDigestsAreCompared(t *testing.T) {
	g := startGroup(t, 3, func(cfg *metaserver.Config) {
		cfg.Timing = dispatch.Timing{DigestTick: 10 * time.Millisecond, DigestEvery: 10}
	})
	s := g.session()
	for i := range 30 {
		g.must(protocol.PathCommit, s.commitInline("same", fmt.Append(nil, i)), &pb.CommitAnswer{})
	}
	g.eventually("digests were compared", func() bool { return hasCompared(t, g.leader()) })
	g.well(t)
}

// well wants every server that runs to be no failed one.
func (g *group) well(t *testing.T) {
	t.Helper()
	for i, server := range g.servers {
		if server != nil && server.Status().Fatal != "" {
			t.Errorf("server %d: %s", i, server.Status().Fatal)
		}
	}
}

// hasCompared tells whether a server has led a comparison of digests.
func hasCompared(t *testing.T, server *metaserver.Server) bool {
	t.Helper()
	_, body := curl(t, "GET", "http://"+server.AdminAddr()+"/metrics", "", "")
	return strings.Contains(body, "\nashlar_meta_digests_compared_total ") && !strings.Contains(body, "\nashlar_meta_digests_compared_total 0\n")
}

// spoilState gives the stopped server i another state than the others have, ahead of
// theirs by so many versions.
func (g *group) spoilState(i int, ahead uint64) {
	g.t.Helper()
	below := filepath.Join(g.configs[i].Dir, "replica", "state")
	current, err := os.ReadFile(filepath.Join(below, "CURRENT"))
	if err != nil {
		g.t.Fatal(err)
	}
	p, err := table.OpenPebble(table.PebbleConfig{Dir: filepath.Join(below, strings.TrimSpace(string(current)))})
	if err != nil {
		g.t.Fatal(err)
	}
	defer p.Close()
	row, err := state.ClusterRow(p)
	if err != nil {
		g.t.Fatal(err)
	}
	before, err := row.MarshalVT()
	if err != nil {
		g.t.Fatal(err)
	}
	row.Digest[0] ^= 1
	row.Counter += ahead
	after, err := row.MarshalVT()
	if err != nil {
		g.t.Fatal(err)
	}
	var change []state.Mutation
	if err := p.Scan(nil, nil, func(key, value []byte) bool {
		if bytes.Equal(value, before) {
			change = append(change, state.Mutation{Key: bytes.Clone(key), Value: after})
		}
		return true
	}); err != nil || len(change) != 1 {
		g.t.Fatalf("%d rows are the cluster's, %v", len(change), err)
	}
	if err := p.Write(change); err != nil {
		g.t.Fatal(err)
	}
	if err := p.Sync(); err != nil {
		g.t.Fatal(err)
	}
}

// leadBy has server i lead, if it does not end by that.
func (g *group) leadBy(t *testing.T, i int) {
	t.Helper()
	g.eventually(fmt.Sprint("server ", i, " leads"), func() bool {
		if g.servers[i].IsLeader() || g.servers[i].Status().Fatal != "" {
			return true
		}
		curl(t, "POST", "http://"+g.leader().AdminAddr()+admin.PathTransfer, "", "")
		return false
	})
}

// firstMark waits until digests were compared.
func (g *group) firstMark(t *testing.T) {
	t.Helper()
	g.eventually("the first mark", func() bool {
		return slices.ContainsFunc(g.servers, func(server *metaserver.Server) bool { return hasCompared(t, server) })
	})
}

// The replica whose state is not the majority's stops, the leader as well as a
// follower, and the others go on.
func TestTheOddReplicaStops(t *testing.T) {
	for _, tc := range []struct {
		leads bool
		ahead uint64
	}{{true, 0}, {false, 0}, {true, 1}, {false, 1}} {
		leads := tc.leads
		t.Run(fmt.Sprintf("leads=%v,ahead=%d", leads, tc.ahead), func(t *testing.T) {
			// The first mark comes at once, the next after 40 versions.
			g := startGroup(t, 3, func(cfg *metaserver.Config) {
				cfg.Timing = dispatch.Timing{DigestTick: 10 * time.Millisecond, DigestEvery: 40}
			})
			g.firstMark(t)
			const odd = 1
			g.stop(odd)
			g.spoilState(odd, tc.ahead)
			g.start(odd)
			g.waitReady()
			if leads {
				g.leadBy(t, odd)
			} else {
				g.leadBy(t, 0)
			}
			s, n := g.session(), 0
			g.eventually("the odd one has stopped", func() bool {
				// What an odd leader has said may not be so with the next one.
				_ = g.try(protocol.PathCommit, s.commitInline(fmt.Sprint("key", n), []byte("value")), &pb.CommitAnswer{})
				n++
				return g.servers[odd].Status().Fatal != ""
			})
			g.stop(odd)
			g.start(odd)
			g.eventually("it stops again, at the same entry", func() bool { return g.servers[odd].Status().Fatal != "" })
			g.stop(odd)
			g.must(protocol.PathCommit, g.session().commitInline("after", []byte("value")), &pb.CommitAnswer{})
			g.well(t)
		})
	}
}

// With one of three down and the other two apart, the leader ends, be it the odd one or
// not, and says nothing about it in the log: when the third is back, the majority tells.
func TestNobodyGuessesWhichIsRight(t *testing.T) {
	const odd, down = 1, 2
	g := startGroup(t, 3, func(cfg *metaserver.Config) {
		cfg.Timing = dispatch.Timing{DigestTick: 10 * time.Millisecond, DigestEvery: 1, AgreeWithin: 300 * time.Millisecond}
	})
	g.firstMark(t)
	g.stop(down)
	g.stop(odd)
	g.spoilState(odd, 1)
	g.start(odd)
	said := func(i int, what string) bool {
		return g.servers[i] != nil && strings.Contains(g.servers[i].Status().Fatal, what)
	}
	// moves gives the state another version, if somebody leads.
	keep := uint64(0)
	moves := func() {
		keep++
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, server := range g.servers {
			if server != nil && server.IsLeader() {
				_ = g.client.Call(ctx, server.ClientAddr(), protocol.PathBucketSet, &pb.BucketSetRequest{Bucket: "bucket", TrashKeepMs: &keep}, &pb.BucketSetAnswer{})
			}
		}
	}
	for range 2 {
		again := -1
		g.eventually("the leader ends", func() bool {
			moves()
			for _, i := range []int{0, odd} {
				if said(i, "differs from the majority's") {
					t.Fatalf("server %d is told who is right by nobody: %s", i, g.servers[i].Status().Fatal)
				}
				if said(i, "no majority agrees") {
					again = i
				}
			}
			return again >= 0
		})
		g.stop(again)
		g.start(again)
	}
	g.start(down)
	g.eventually("the odd one has stopped", func() bool {
		moves()
		for i := range g.servers {
			if said(i, "no majority agrees") {
				g.stop(i)
				g.start(i)
			}
		}
		return said(odd, "differs from the majority's")
	})
	g.stop(odd)
	g.must(protocol.PathCommit, g.session().commitInline("after", []byte("value")), &pb.CommitAnswer{})
	g.well(t)
}
