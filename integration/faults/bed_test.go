package faults_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/integration/faults"
	"github.com/seed-7d21a5b5/ashlar/integration/machines"
	"github.com/seed-7d21a5b5/ashlar/metaserver/api/admin"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// progress is how many writes show that a cluster works.
const progress = 10

// long tells whether all faults are asked for, and not only those that are quick
// to show.
func long() bool { return os.Getenv("ASHLAR_LONG") != "" }

// bed is a cluster under load and the faults that can be done to it.
type bed struct {
	*cluster.Cluster
	ctx    context.Context
	load   *load
	faults []faults.Fault
	rpc    *rpc.Client
}

// newBed starts a cluster and a load, or skips where cfg cannot be had here.
func newBed(t *testing.T, cfg cluster.Config) *bed {
	t.Helper()
	if err := machines.Missing(); err != nil && (cfg.Machines || len(cfg.Disks) > 0) {
		t.Skipf("this needs machines of its own: %v", err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c, ctx := start(t, cfg)
	b := &bed{Cluster: c, ctx: ctx, faults: faults.All(c, rand.New(rand.NewPCG(seed, 1)))}
	b.rpc = rpc.NewClient(rpc.ClientConfig{Timeout: 10 * time.Second})
	t.Cleanup(b.rpc.Close)
	b.load = drive(t, ctx, c, seed)
	return b
}

// under runs during as a subtest with the named fault in force, heals it, and
// checks that all replicas agree and the cluster works.
func (b *bed) under(t *testing.T, name string, during func(t *testing.T)) {
	t.Helper()
	for _, f := range b.faults {
		if f.Name() == name {
			t.Run(name, func(t *testing.T) { b.one(t, f, during) })
			return
		}
	}
	t.Run(name, func(t *testing.T) { t.Skipf("not here: %q", faults.Missing()) })
}

func (b *bed) one(t *testing.T, f faults.Fault, during func(t *testing.T)) {
	took := map[string]time.Duration{}
	stage := func(name string, do func()) {
		began := time.Now()
		do()
		took[name] = time.Since(began).Round(time.Millisecond)
	}
	stage("before", func() { b.load.more(t, b.ctx, progress) })
	stage("under it", func() {
		if err := f.Inject(b.ctx); err != nil {
			t.Errorf("inject: %v", err)
		} else if during != nil {
			during(t)
		}
	})
	stage("heal", func() {
		if err := f.Heal(b.ctx); err != nil {
			t.Fatalf("heal: %v", err)
		}
	})
	stage("after", func() { b.load.more(t, b.ctx, progress) })
	stage("agree", func() { b.agree(t) })
	t.Logf("%s: %v", f.Name(), took)
}

// works waits for some writes under the fault.
func (b *bed) works(t *testing.T) { b.load.more(t, b.ctx, progress) }

// lasts lets the fault be for a while; writes need not go on meanwhile.
func (b *bed) lasts(t *testing.T, d time.Duration) {
	began := time.Now()
	await(t, b.ctx, "time to pass", func() bool { return time.Since(began) > d })
}

// status asks one metaserver itself, whoever leads.
func (b *bed) status(m *cluster.Member) (*pb.ClusterStatus, error) {
	var s pb.ClusterStatus
	return &s, b.rpc.Call(b.ctx, m.Address, protocol.PathClusterStatus, &pb.ClusterStatusRequest{Level: pb.Level_LEVEL_STALE}, &s)
}

// term is the highest term that any metaserver is in.
func (b *bed) term(t *testing.T) uint64 {
	t.Helper()
	var term uint64
	await(t, b.ctx, "a metaserver to tell its term", func() bool {
		for _, m := range b.Meta {
			if s, err := b.status(m); err == nil {
				term = max(term, s.GetTerm())
			}
		}
		return term > 0
	})
	return term
}

// leader waits for one.
func (b *bed) leader(t *testing.T) *cluster.Member {
	t.Helper()
	var lead *cluster.Member
	await(t, b.ctx, "a leader", func() bool {
		var err error
		lead, err = b.Leader(b.ctx)
		return err == nil
	})
	return lead
}

// agree waits until all metaservers have been seen at one same index, and
// compares their digests there.
func (b *bed) agree(t *testing.T) {
	t.Helper()
	digests := map[uint64]map[string][]byte{}
	await(t, b.ctx, "all metaservers at the same index", func() bool {
		for _, m := range b.Meta {
			s, err := b.status(m)
			if err != nil {
				continue
			}
			at := s.GetAppliedIndex()
			if digests[at] == nil {
				digests[at] = map[string][]byte{}
			}
			digests[at][m.Name] = s.GetDigest()
			if len(digests[at]) == len(b.Meta) {
				return true
			}
		}
		return false
	})
	for at, of := range digests {
		for name, digest := range of {
			if len(digest) == 0 || !bytes.Equal(digest, anyOf(of)) {
				t.Errorf("at index %d, %s has digest %x, another %x", at, name, digest, anyOf(of))
			}
		}
	}
}

func anyOf(of map[string][]byte) []byte {
	for _, d := range of {
		return d
	}
	return nil
}

// lookup asks one metaserver itself for an object, linearizably.
func (b *bed) lookup(m *cluster.Member, bucket, name string) (*pb.LookupAnswer, error) {
	return b.lookupWithin(m, 5*time.Second, bucket, name)
}

func (b *bed) lookupWithin(m *cluster.Member, limit time.Duration, bucket, name string) (*pb.LookupAnswer, error) {
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	var a pb.LookupAnswer
	err := b.rpc.Call(ctx, m.Address, protocol.PathLookup, &pb.LookupRequest{Bucket: bucket, Name: name, Level: pb.Level_LEVEL_LINEARIZABLE}, &a)
	return &a, err
}

// client opens the SDK for one test; it knows all metaservers.
func (b *bed) client(t *testing.T) *client.Client {
	t.Helper()
	sdk, err := b.Client(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sdk.Close() })
	return sdk
}

// descriptors counts the open files of all members' processes.
func (b *bed) descriptors(t *testing.T) (n int) {
	t.Helper()
	for _, m := range b.Members() {
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", m.Pid()))
		if err != nil {
			t.Fatal(err)
		}
		n += len(open)
	}
	return n
}

// goroutines counts those of all metaservers.
func (b *bed) goroutines(t *testing.T) (n float64) {
	t.Helper()
	for _, m := range b.Meta {
		n += b.metric(t, m, "go_goroutines")
	}
	return n
}

// tracer is the process that follows a member's first thread, "0" if none does.
func tracer(t *testing.T, m *cluster.Member) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.Pid()))
	if err != nil {
		return "0"
	}
	_, rest, _ := strings.Cut(string(text), "TracerPid:\t")
	pid, _, _ := strings.Cut(rest, "\n")
	return pid
}

// snapshots are the indexes of the newest snapshot of each metaserver.
func (b *bed) snapshots(t *testing.T) map[string]float64 {
	t.Helper()
	of := map[string]float64{}
	for _, m := range b.Meta {
		of[m.Name] = b.metric(t, m, "ashlar_meta_raft_snapshot_index")
	}
	return of
}

// metric reads one number of a metaserver's metrics.
func (b *bed) metric(t *testing.T, m *cluster.Member, name string) (value float64) {
	t.Helper()
	answer, err := http.Get("http://" + m.Admin + admin.PathMetrics)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if text, is := strings.CutPrefix(lines.Text(), name+" "); is {
			if value, err = strconv.ParseFloat(text, 64); err != nil {
				t.Fatal(err)
			}
			return value
		}
	}
	t.Fatalf("%s has no metric %s", m.Name, name)
	return 0
}

// random returns n bytes that nobody has stored yet.
func random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}
