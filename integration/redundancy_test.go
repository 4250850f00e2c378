package integration_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// copiesOf is what the scenario's buckets ask for; 3 is the cluster's.
var copiesOf = map[string]int{"single": 1, "usual": 3, "sure": 5}

// each is how many objects of a kind the scenario puts.
const each = 15

// shelf is what was put and not deleted, by bucket and name, each object one block.
type shelf struct {
	*operator
	sdk      *client.Client
	contents map[string]map[string][]byte
}

// put stores each contents under names of their own in all buckets named.
func (s *shelf) put(random *rand.Rand, kind string, buckets ...string) {
	s.t.Helper()
	for i := range each {
		content := randomBytes(random, 4000+random.IntN(12_000))
		for _, bucket := range buckets {
			name := fmt.Sprintf("%s/%02d", kind, i)
			if _, err := s.sdk.Put(s.ctx, bucket, name, bytes.NewReader(content)); err != nil {
				s.t.Fatalf("put %s/%s: %v", bucket, name, err)
			}
			s.contents[bucket][name] = content
		}
	}
}

// delete ends the objects of a kind in a bucket.
func (s *shelf) delete(bucket, kind string) {
	s.t.Helper()
	for name := range s.contents[bucket] {
		if strings.HasPrefix(name, kind+"/") {
			if err := s.sdk.Delete(s.ctx, bucket, name); err != nil {
				s.t.Fatalf("delete %s/%s: %v", bucket, name, err)
			}
			delete(s.contents[bucket], name)
		}
	}
}

// wanted is the copies of each block: the most that a bucket with an object of that
// content asks for.
func (s *shelf) wanted() map[protocol.Hash]int {
	out := map[protocol.Hash]int{}
	for bucket, objects := range s.contents {
		for _, content := range objects {
			h := protocol.HashOf(content)
			out[h] = max(out[h], copiesOf[bucket])
		}
	}
	return out
}

// holds tells whether a member has a file of the block.
func (s *shelf) holds(m *cluster.Member, h protocol.Hash) bool {
	digits := h.String()
	_, err := os.Stat(filepath.Join(m.Data, "data", digits[:2], digits[2:4], digits))
	return err == nil
}

// exact waits until the files of the running nodes are the copies that are wanted,
// as far as there are nodes, and no others.
func (s *shelf) exact(what string) {
	s.t.Helper()
	wanted := s.wanted()
	var last string
	defer func() {
		if last != "" {
			s.t.Logf("at last: %s", last)
		}
	}()
	await(s.t, s.ctx, what, func() bool {
		last = s.inexact(wanted)
		return last == ""
	})
	s.t.Logf("%s: %d blocks", what, len(wanted))
}

func (s *shelf) inexact(wanted map[protocol.Hash]int) string {
	running, files, sum := 0, 0, 0
	for _, m := range s.c.Block {
		if m.Running() {
			running++
			files += filesOf(s.t, m)
		}
	}
	for h, n := range wanted {
		found := 0
		for _, m := range s.c.Block {
			if m.Running() && s.holds(m, h) {
				found++
			}
		}
		if found != min(n, running) {
			return fmt.Sprintf("block %s has %d files, not %d", h.Short(), found, min(n, running))
		}
		sum += found
	}
	if files != sum {
		return fmt.Sprintf("the nodes have %d files, %d of them copies", files, sum)
	}
	return ""
}

// verify reads back everything but what is lost.
func (s *shelf) verify(lost map[protocol.Hash]bool) {
	s.t.Helper()
	for bucket, objects := range s.contents {
		kept := map[string][]byte{}
		for name, content := range objects {
			if !lost[protocol.HashOf(content)] {
				kept[name] = content
			}
		}
		readBack(s.t, s.ctx, s.sdk, bucket, kept)
	}
}

// TestRedundancyPerBucket: buckets that ask for one, three and five copies share
// contents and have some of their own. Each block has just the copies that the most
// demanding of its objects asks for: after the puts, after deletes, after a node was
// lost, and after another has come. What had its only copy there is named before
// the node may go.
func TestRedundancyPerBucket(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 5))
	c, ctx := start(t, cluster.Config{Blockservers: 5})
	s := &shelf{newOperator(t, ctx, c), open(t, ctx, c), map[string]map[string][]byte{"single": {}, "usual": {}, "sure": {}}}
	defer func() { _ = s.sdk.Close() }()
	s.run("gc", "set", "--grace", "0s")
	s.run("node", "settings", "--down-after", "1s", "--away-after", "2s")
	s.run("bucket", "set", "single", "--copies", "1")
	if text := s.run("bucket", "set", "sure", "--copies", "5"); contains(text, "warning") {
		t.Errorf("five nodes are enough, but: %s", text)
	}

	s.put(random, "own", "single")
	s.exact("one copy each, wherever a write that met a slow node has left more")
	s.put(random, "own", "usual")
	s.put(random, "own", "sure")
	s.put(random, "two", "single", "sure")
	s.put(random, "all", "single", "usual", "sure")
	s.exact("as many copies as the most demanding asks for")
	s.verify(nil)
	shared := protocol.HashOf(s.contents["single"]["all/00"]).String()
	if text := s.run("explain", shared); !contains(text, "5 wanted: 1 reference asks for 1, 1 for 5, 1 for the cluster's") {
		t.Errorf("explain says: %s", text)
	}

	s.delete("sure", "two")
	s.delete("sure", "all")
	s.exact("fewer copies once the most demanding is gone")
	s.verify(nil)
	s.settled()

	s.lose()
	s.replace(c)
	s.exact("five copies again")
	s.settled()
	s.verify(nil)
	noDrift(t, ctx, c)
}

// lone is the member that has the only copy of the most blocks, and these blocks.
func (s *shelf) lone() (worst *cluster.Member, lost map[protocol.Hash]bool) {
	for _, m := range s.c.Block {
		only := map[protocol.Hash]bool{}
		for h, n := range s.wanted() {
			if n == 1 && s.holds(m, h) {
				only[h] = true
			}
		}
		if worst == nil || len(only) > len(lost) {
			worst, lost = m, only
		}
	}
	return worst, lost
}

// lose kills a node for good. It may be removed only by who accepts the loss of
// what had its only copy there; all else is read as before.
func (s *shelf) lose() {
	s.t.Helper()
	m, lost := s.lone()
	id := s.id(m)
	s.t.Logf("%s is lost, with the only copy of %d blocks", m.Name, len(lost))
	m.Kill()
	s.reach(m, pb.NodeState_NODE_STATE_DOWN)
	s.verify(lost)
	want := fmt.Sprintf("%d referenced blocks would keep", len(lost))
	if err := s.Remove(s.ctx, id, false); protocol.KindOf(err) != protocol.PreconditionFailed || !contains(err.Error(), want) {
		s.t.Errorf("the removal is not refused for %d blocks: %v", len(lost), err)
	}
	text, err := s.c.Command(s.ctx, "node", "remove", fmt.Sprint(id)).CombinedOutput()
	if err == nil || !contains(string(text), want) {
		s.t.Errorf("node remove says %v: %s", err, text)
	}
	s.run("node", "remove", fmt.Sprint(id), "--accept-loss")
	s.verify(lost)
	for bucket, objects := range s.contents {
		for name, content := range objects {
			if lost[protocol.HashOf(content)] {
				s.gone(bucket, name)
				delete(objects, name)
			}
		}
	}
	s.exact("as many copies as there are nodes")
	s.verify(nil)
}

// gone reads what is lost until it says so, and deletes it. As long as its record
// mentions the node that was removed, that one is asked still, and is not there.
func (s *shelf) gone(bucket, name string) {
	s.t.Helper()
	await(s.t, s.ctx, "word that "+name+" is lost", func() bool {
		r, err := s.sdk.Get(s.ctx, bucket, name)
		if err == nil {
			_, err = readAll(r)
		}
		kind := protocol.KindOf(err)
		if kind != protocol.DataLost && kind != protocol.Unavailable {
			s.t.Fatalf("%s/%s had its only copy on a node that is gone, and reads as %v", bucket, name, err)
		}
		return kind == protocol.DataLost
	})
	if err := s.sdk.Delete(s.ctx, bucket, name); err != nil {
		s.t.Fatal(err)
	}
}

// replace adds a new node to the layout.
func (s *shelf) replace(c *cluster.Cluster) {
	s.t.Helper()
	m, err := c.AddBlockserver()
	if err != nil {
		s.t.Fatal(err)
	}
	s.reach(m, pb.NodeState_NODE_STATE_JOINING)
	s.change("a new node", &pb.NodeChange{Node: s.id(m), Kind: pb.NodeChange_ADD})
}
