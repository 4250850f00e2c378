package reclamation_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/client/ashlartest"
	"github.com/seed-7d21a5b5/ashlar/cmd/embedded"
	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// generous is how long a state may take to come about on a busy machine.
const generous = 60 * time.Second

// site is a real cluster without grace, whose leader works at a test's pace.
type site struct {
	*ashlartest.Cluster
	t testing.TB
	r *rand.Rand
	// status asks without a session: an open one holds Reap back.
	status *client.Client
}

func start(t testing.TB, blockservers int) *site {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("ASHLAR_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("ASHLAR_SEED=%d", seed)
	c := ashlartest.Start(t, func(c *embedded.Config) {
		c.Blockservers, c.Grace = blockservers, -1
		c.Timing = dispatch.Timing{
			PingEvery: 100 * time.Millisecond, UnreferenceTick: 100 * time.Millisecond, RoundTick: 50 * time.Millisecond,
			Rest: 50 * time.Millisecond, MaxRest: 500 * time.Millisecond, EffectWait: 200 * time.Millisecond, WriterWait: 500 * time.Millisecond,
			WalkPause: 10 * time.Millisecond, WalkRest: 200 * time.Millisecond,
		}
	})
	return &site{Cluster: c, t: t, r: rand.New(rand.NewPCG(seed, 3)), status: c.Client()}
}

// with runs fn with a client whose sessions end with it.
func (s *site) with(fn func(ctx context.Context, c *client.Client)) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), generous)
	defer cancel()
	c, err := client.Open(ctx, client.Config{Endpoints: s.Endpoints()})
	if err != nil {
		s.t.Fatal(err)
	}
	fn(ctx, c)
	if err := c.Close(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(s.r.Uint32())
	}
	return b
}

// put stores n objects of one block each and returns their contents.
func (s *site) put(n int) (contents [][]byte) {
	s.t.Helper()
	s.with(func(ctx context.Context, c *client.Client) {
		for i := range n {
			contents = append(contents, s.noise(8<<10))
			if _, err := c.Put(ctx, "bucket", fmt.Sprint("object", i), bytes.NewReader(contents[i])); err != nil {
				s.t.Fatal(err)
			}
		}
	})
	return contents
}

func (s *site) delete(n int) {
	s.t.Helper()
	s.with(func(ctx context.Context, c *client.Client) {
		for i := range n {
			if err := c.Delete(ctx, "bucket", fmt.Sprint("object", i)); err != nil {
				s.t.Fatal(err)
			}
		}
	})
}

func (s *site) counters() *pb.Counters {
	ctx, cancel := context.WithTimeout(context.Background(), generous)
	defer cancel()
	st, err := s.status.Status(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return st.GetCounters()
}

// files counts the block files of blockserver i.
func (s *site) files(i int) (count int) {
	s.t.Helper()
	err := filepath.WalkDir(filepath.Join(s.BlockDir(i), "data"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && len(d.Name()) == 2*protocol.HashSize {
			count++
		}
		if os.IsNotExist(err) {
			return nil
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return count
}

// eventually polls for a state.
func (s *site) eventually(what string, fn func() bool) {
	s.t.Helper()
	for end := time.Now().Add(generous); !fn(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("%s did not come about; counters %v, plan:\n%s", what, s.counters(), s.plan())
		}
	}
}

func (s *site) plan() string {
	ctx, cancel := context.WithTimeout(context.Background(), generous)
	defer cancel()
	ans := &pb.WorkPlanAnswer{}
	if err := s.status.Ask(ctx, protocol.PathWorkPlan, &pb.WorkPlanRequest{}, ans); err != nil {
		return err.Error()
	}
	lines := ans.Steps
	for _, w := range ans.Waiting {
		lines = append(lines, fmt.Sprintf("class %d, lane %d: %d wait: %s", w.Class, w.Lane, w.Count, w.Why))
	}
	return strings.Join(lines, "\n")
}

// gone: no block record of any phase is left.
func gone(n *pb.Counters) bool {
	return n.LiveBlocks+n.UnreferencedBlocks+n.CondemnedBlocks+n.References+n.UnreferenceLeft == 0
}

// zero: what a cluster counts that holds nothing.
func zero(n *pb.Counters) bool {
	return gone(n) && n.Objects+n.LogicalBytes+n.LivePlainBytes+n.LiveStoredBytes+n.UnreferencedStoredBytes+n.CondemnedStoredBytes+
		n.CopiesStoredBytes+n.CountedCopies+n.UnderReplicatedBlocks+n.UnreferenceJobs == 0
}

func (s *site) empty(servers ...int) bool {
	for _, i := range servers {
		if s.files(i) > 0 {
			return false
		}
	}
	return true
}

func TestEverythingDeadGoes(t *testing.T) {
	t.Parallel()
	s := start(t, 3)
	s.put(60)
	s.eventually("three copies of each", func() bool { return s.files(0)+s.files(1)+s.files(2) == 180 })
	s.delete(60)
	s.eventually("nothing left", func() bool { return zero(s.counters()) && s.empty(0, 1, 2) })
}

func TestTombstonesStayForTheNodeThatIsDown(t *testing.T) {
	t.Parallel()
	s := start(t, 3)
	contents := s.put(30)
	s.eventually("three copies of each", func() bool { return s.counters().UnderReplicatedBlocks == 0 })
	node := s.NodeOf(2)
	if err := s.KillBlockserver(2); err != nil {
		t.Fatal(err)
	}
	s.delete(30)
	s.eventually("two nodes empty", func() bool {
		n := s.counters()
		return s.empty(0, 1) && n.CondemnedBlocks == 30 && n.UnreferencedBlocks == 0
	})
	if s.files(2) != 30 {
		t.Errorf("%d files on the node that is down", s.files(2))
	}
	e := s.explain(contents[0])
	if b := e.GetBlock(); len(b.GetPending()) != 1 || protocol.NodeID(b.GetPending()[0]) != node {
		t.Errorf("pending %v, node %s is down", b.GetPending(), node)
	}
	s.eventually("an explanation", func() bool {
		return strings.Contains(s.explain(contents[0]).GetWaitsFor(), fmt.Sprintf("node %s does not answer", node))
	})
	ctx, cancel := context.WithTimeout(context.Background(), generous)
	defer cancel()
	if err := s.RestartBlockserver(ctx, 2); err != nil {
		t.Fatal(err)
	}
	s.eventually("nothing left", func() bool { return zero(s.counters()) && s.empty(0, 1, 2) })
}

func (s *site) explain(content []byte) *pb.ExplainAnswer {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), generous)
	defer cancel()
	h := protocol.HashOf(content)
	ans := &pb.ExplainAnswer{}
	if err := s.status.Ask(ctx, protocol.PathExplain, &pb.ExplainRequest{Hash: h[:]}, ans); err != nil {
		s.t.Fatal(err)
	}
	return ans
}

func TestMissingCopiesAreMade(t *testing.T) {
	t.Parallel()
	s := start(t, 3)
	if err := s.KillBlockserver(1); err != nil {
		t.Fatal(err)
	}
	contents := s.put(20)
	if n := s.counters(); n.UnderReplicatedBlocks != 20 {
		t.Fatalf("%d blocks lack copies while a node is down", n.UnderReplicatedBlocks)
	}
	if e := s.explain(contents[3]); len(e.Holders) != 1 || e.Holders[0].Name != "object3" || len(e.Work) != 1 {
		t.Errorf("explained as %v", e)
	}
	ctx, cancel := context.WithTimeout(context.Background(), generous)
	defer cancel()
	if err := s.RestartBlockserver(ctx, 1); err != nil {
		t.Fatal(err)
	}
	s.eventually("three copies of each", func() bool { return s.counters().UnderReplicatedBlocks == 0 && s.files(1) == 20 })
}

func TestStraysGo(t *testing.T) {
	t.Parallel()
	s := start(t, 3)
	s.with(func(ctx context.Context, c *client.Client) {
		for range 10 {
			if _, err := c.PutBlock(ctx, s.noise(4<<10)); err != nil {
				t.Fatal(err)
			}
		}
	})
	s.eventually("no file", func() bool { return s.empty(0, 1, 2) })
}

func TestLostCopiesAreFoundAndMadeAnew(t *testing.T) {
	t.Parallel()
	s := start(t, 3)
	s.put(10)
	s.eventually("three copies of each", func() bool { return s.counters().UnderReplicatedBlocks == 0 })
	removed := 0
	err := filepath.WalkDir(filepath.Join(s.BlockDir(0), "data"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && len(d.Name()) == 2*protocol.HashSize {
			removed++
			return os.Remove(path)
		}
		return err
	})
	if err != nil || removed != 10 {
		t.Fatalf("removed %d files, %v", removed, err)
	}
	s.eventually("the files back", func() bool { return s.files(0) == 10 && s.counters().UnderReplicatedBlocks == 0 })
}

func TestLeadersGoInTheMiddle(t *testing.T) {
	t.Parallel()
	s := start(t, 3)
	s.put(80)
	s.delete(80)
	ctx, cancel := context.WithTimeout(context.Background(), generous)
	defer cancel()
	for range 2 {
		s.eventually("a leader", func() bool { return s.Leader() >= 0 })
		leader := s.Leader()
		if err := s.KillMetaserver(leader); err != nil {
			t.Fatal(err)
		}
		if err := s.RestartMetaserver(ctx, leader); err != nil {
			t.Fatal(err)
		}
	}
	s.eventually("nothing left", func() bool { return zero(s.counters()) && s.empty(0, 1, 2) })
}

func TestPauseStopsDeleting(t *testing.T) {
	t.Parallel()
	s := start(t, 3)
	s.set(&pb.WorkSetRequest{Pause: 1 << 3})
	s.put(10)
	s.eventually("three copies of each", func() bool { return s.files(0)+s.files(1)+s.files(2) == 30 })
	s.delete(10)
	s.eventually("all condemned", func() bool { return s.counters().CondemnedBlocks == 10 })
	if p := s.plan(); !strings.Contains(p, "the class is paused") || s.files(0) != 10 {
		t.Errorf("%d files, plan\n%s", s.files(0), p)
	}
	s.set(&pb.WorkSetRequest{Resume: 1 << 3})
	s.eventually("nothing left", func() bool { return zero(s.counters()) && s.empty(0, 1, 2) })
}

func (s *site) set(q *pb.WorkSetRequest) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), generous)
	defer cancel()
	if err := s.status.Ask(ctx, protocol.PathWorkSet, q, &pb.WorkSetAnswer{}); err != nil {
		s.t.Fatal(err)
	}
}
