package replica

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestIsolatedLeaderServesNothing(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, func(cfg *Config) { cfg.ReadTimeout = 2 * time.Second })
	g.put("key", "old")
	old := g.leader()
	g.isolate(old)
	outcome := make(chan error, 1)
	go func() {
		_, err := old.Propose(within(t), put("key", "lost"))
		outcome <- err
	}()
	if got, err := old.get(within(t), pb.Level_LEVEL_LINEARIZABLE, "key"); err == nil {
		t.Fatalf("an isolated leader read %q", got)
	}
	switch kind := protocol.KindOf(<-outcome); kind {
	case protocol.UnknownOutcome, protocol.NotLeader:
	default:
		t.Fatalf("an isolated leader's proposal: %v", kind)
	}
	until(t, "the others have a leader", func() bool {
		for _, m := range g.others(old) {
			if m.lead.now.Load().Leader {
				return true
			}
		}
		return false
	})
	g.put("key", "new")
	if got, err := old.get(within(t), pb.Level_LEVEL_STALE, "key"); err != nil || got != "old" {
		t.Fatalf("a stale read: %q, %v", got, err)
	}
	g.net.heal()
	g.same()
}

// The old leader is deposed behind its back, and the acknowledgements that its
// followers gave before that reach it only afterwards. They satisfy raft's
// VerifyLeader, which does not know when an acknowledgement was given: a read that
// relied on it would now give what another leader has replaced. A linearizable View
// at the same moment is refused.
func TestHeldBackAcknowledgementsProveNothing(t *testing.T) {
	t.Parallel()
	const attempts = 5
	for range attempts {
		if heldBack(t) {
			return
		}
	}
	t.Fatalf("in %d attempts the schedule did not come about: the old leader stepped down by itself", attempts)
}

// heldBack reports whether the schedule came about.
func heldBack(t *testing.T) (judged bool) {
	g := newGroup(t, 3, func(cfg *Config) {
		cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLeaseTimeout = 10*time.Second, 10*time.Second, 10*time.Second
	})
	defer g.close()
	g.put("key", "old")
	g.same() // anyone may be elected
	old := g.leader()
	next, third := g.others(old)[0], g.others(old)[1]
	if _, err := old.get(within(t), pb.Level_LEVEL_LINEARIZABLE, "key"); err != nil {
		return false
	}
	release := g.net.hold(old.name, next, third)
	defer release()
	first := old.node().VerifyLeader() // sends heartbeats; their answers wait
	g.net.mu.Lock()
	for _, m := range []*member{next, third} {
		g.net.cuts[[2]string{m.name, old.name}] = true
	}
	g.net.mu.Unlock()
	g.net.sever(next.name, old.name)
	g.net.sever(third.name, old.name)
	third.elect(next)
	until(t, "another leader", func() bool { return next.lead.now.Load().Leader || third.lead.now.Load().Leader })
	until(t, "its write", func() bool {
		for _, m := range []*member{next, third} {
			if r, err := m.Propose(within(t), put("key", "new")); err == nil && r.Kind == 0 {
				return true
			}
		}
		return false
	})
	naive := old.node().VerifyLeader() // asked after "new" was acknowledged
	if old.node().State() != raft.Leader {
		return false
	}
	if got, err := old.get(within(t), pb.Level_LEVEL_LINEARIZABLE, "key"); protocol.KindOf(err) != protocol.NotLeader {
		t.Fatalf("a deposed leader read %q, %v", got, err)
	}
	release()
	if first.Error() != nil || naive.Error() != nil {
		return false
	}
	if got, err := old.get(within(t), pb.Level_LEVEL_STALE, "key"); err != nil || got != "old" {
		t.Fatalf("the naive read gave %q, %v: it is no witness", got, err)
	}
	if got, err := old.get(within(t), pb.Level_LEVEL_LINEARIZABLE, "key"); protocol.KindOf(err) != protocol.NotLeader {
		t.Fatalf("after VerifyLeader was satisfied, a deposed leader read %q, %v", got, err)
	}
	return true
}

func TestSessionReadsWaitForTheirVersion(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	for i := range 30 {
		want := strconv.Itoa(i)
		version := g.put("key", want)
		for _, m := range g.members {
			v, err := m.View(within(t), pb.Level_LEVEL_SESSION, version)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := read(v, "key"); err != nil || got != want {
				t.Fatalf("%s read %q after %s was written: %v", m.name, got, want, err)
			}
			_ = v.Close()
		}
	}
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	far := protocol.Version{Generation: 9}
	if _, err := g.members[0].View(ctx, pb.Level_LEVEL_SESSION, far); protocol.KindOf(err) != protocol.Canceled {
		t.Fatalf("given up: %v", err)
	}
	ctx, cancel = context.WithTimeout(within(t), time.Millisecond)
	defer cancel()
	if _, err := g.members[0].View(ctx, pb.Level_LEVEL_SESSION, far); protocol.KindOf(err) != protocol.Unavailable {
		t.Fatalf("out of time: %v", err)
	}
	if _, err := g.others(g.leader())[0].View(ctx, pb.Level_LEVEL_LINEARIZABLE, far); protocol.KindOf(err) != protocol.NotLeader {
		t.Fatalf("linearizable on a follower: %v", err)
	}
}

// registers is a handful of keys, each a register on its own.
var registers = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, o := range history {
			key := o.Input.(operation).key
			byKey[key] = append(byKey[key], o)
		}
		var out [][]porcupine.Operation
		for _, one := range byKey {
			out = append(out, one)
		}
		return out
	},
	Init: func() any { return "" },
	Step: func(s, in, out any) (bool, any) {
		if o := in.(operation); o.write {
			return true, o.value
		}
		return out.(string) == s.(string), s
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %v", in, out) },
}

type operation struct {
	key, value string
	write      bool
}

// never is when an operation of unknown outcome returns.
const never = 1 << 62

// history collects operations by a shared monotonic clock.
type history struct {
	mu    sync.Mutex
	start time.Time
	ops   []porcupine.Operation
}

func (h *history) now() int64 { return int64(time.Since(h.start)) }

func (h *history) add(o porcupine.Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if o.Return == never {
		o.ClientId = 1000 + len(h.ops) // its client goes on before it returns
	}
	h.ops = append(h.ops, o)
}

func TestHistoriesAreLinearizable(t *testing.T) {
	t.Parallel()
	seed := time.Now().UnixNano()
	if s := os.Getenv("ASHLAR_SEED"); s != "" {
		seed, _ = strconv.ParseInt(s, 10, 64)
	}
	t.Logf("seed %d", seed)
	g := newGroup(t, 3, func(cfg *Config) {
		cfg.ReadTimeout, cfg.SnapshotThreshold, cfg.TrailingLogs = time.Second, 200, 50
	})
	h := &history{start: time.Now()}
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for c := range 6 {
		clients.Go(func() { g.client(h, c, rand.New(rand.NewPCG(uint64(seed), uint64(c))), stop) })
	}
	chaos := rand.New(rand.NewPCG(uint64(seed), 99))
	for range 4 {
		l := g.leader()
		g.isolate(l)
		until(t, "another leader", func() bool {
			for _, m := range g.others(l) {
				if m.lead.now.Load().Leader {
					return true
				}
			}
			return false
		})
		if chaos.IntN(2) == 0 {
			l.kill()
			l.start()
		}
		g.net.heal()
		before := h.len()
		until(t, "some operations in peace", func() bool { return h.len() > before+100 })
	}
	close(stop)
	clients.Wait()
	g.same()
	h.judge(t)
}

func (h *history) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.ops)
}

// client works on random members until stop.
func (g *group) client(h *history, id int, r *rand.Rand, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		m := g.members[r.IntN(len(g.members))]
		o := operation{key: fmt.Sprintf("key-%d", r.IntN(3)), write: r.IntN(2) == 0}
		if o.write {
			o.value = fmt.Sprintf("%d-%d", id, n)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		h.do(ctx, m.now(), id, o)
		cancel()
	}
}

// do runs one operation. A write whose outcome is unknown may take effect at any
// time later; what was certainly not done, and a read that failed, is left out.
func (h *history) do(ctx context.Context, m *Replica, id int, o operation) {
	call := h.now()
	if !o.write {
		got, err := getFrom(ctx, m, pb.Level_LEVEL_LINEARIZABLE, o.key)
		if err == nil {
			h.add(porcupine.Operation{ClientId: id, Input: o, Output: got, Call: call, Return: h.now()})
		}
		return
	}
	_, err := m.Propose(ctx, put(o.key, o.value))
	switch protocol.KindOf(err) {
	case 0:
		h.add(porcupine.Operation{ClientId: id, Input: o, Output: "", Call: call, Return: h.now()})
	case protocol.UnknownOutcome:
		h.add(porcupine.Operation{Input: o, Output: "", Call: call, Return: never})
	}
}

func (h *history) judge(t *testing.T) {
	reads := 0
	for _, o := range h.ops {
		if !o.Input.(operation).write {
			reads++
		}
	}
	result, info := porcupine.CheckOperationsVerbose(registers, h.ops, patience)
	t.Logf("%d operations, %d reads: %s", len(h.ops), reads, result)
	if result == porcupine.Illegal {
		path := t.TempDir() + "/history.html"
		_ = porcupine.VisualizePath(registers, info, path)
		t.Fatalf("the history is not linearizable: %s", path)
	}
	if reads == 0 || len(h.ops) == reads {
		t.Fatal("the history proves nothing")
	}
}
