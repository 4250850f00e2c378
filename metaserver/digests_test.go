package metaserver_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
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
	g.eventually("digests were compared", func() bool {
		_, body := curl(t, "GET", "http://"+g.leader().AdminAddr()+"/metrics", "", "")
		return bytes.Contains([]byte(body), []byte("ashlar_meta_digests_compared_total")) && !bytes.Contains([]byte(body), []byte("ashlar_meta_digests_compared_total 0\n"))
	})
	for i, server := range g.servers {
		if st := server.Status(); st.Fatal != "" {
			t.Errorf("server %d: %s", i, st.Fatal)
		}
	}
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

// leadBy has server i lead.
func (g *group) leadBy(t *testing.T, i int) {
	t.Helper()
	g.eventually(fmt.Sprint("server ", i, " leads"), func() bool {
		if g.servers[i].IsLeader() {
			return true
		}
		curl(t, "POST", "http://"+g.leader().AdminAddr()+admin.PathTransfer, "", "")
		return false
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
			g.eventually("the first mark", func() bool {
				for _, server := range g.servers {
					_, body := curl(t, "GET", "http://"+server.AdminAddr()+"/metrics", "", "")
					if strings.Contains(body, "ashlar_meta_digests_compared_total 1\n") {
						return true
					}
				}
				return false
			})
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
			for i, server := range g.servers {
				if server != nil && server.Status().Fatal != "" {
					t.Errorf("server %d: %s", i, server.Status().Fatal)
				}
			}
		})
	}
}
