package client_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/client/ashlartest"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// What raft never answers when it is shut down.
		goleak.IgnoreAnyFunction("github.com/hashicorp/raft.(*deferError).Error"),
		// The servers' library: one clock for the process, and one that looks every
		// ten seconds whether its server was stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// generous is how long a state may take to come about on a busy machine.
const generous = 60 * time.Second

// randomness returns a generator whose seed is printed, and is taken from
// ASHLAR_SEED if that is set.
func randomness(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("ASHLAR_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("ASHLAR_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 7))
}

// noise returns n bytes that do not compress.
func noise(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		v := rng.Uint64()
		for j := i; j < min(n, i+8); j++ {
			b[j] = byte(v)
			v >>= 8
		}
	}
	return b
}

// eventually polls for a state.
func eventually(t testing.TB, what string, fn func() bool) {
	t.Helper()
	for end := time.Now().Add(generous); !fn(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came about: %s", what)
		}
	}
}

// world is a cluster and a client for one test.
type world struct {
	*ashlartest.Cluster
	t   *testing.T
	c   *client.Client
	rng *rand.Rand
	// bucket is the test's own.
	bucket string
}

func newWorld(t *testing.T, opts ...ashlartest.Option) *world {
	t.Helper()
	t.Parallel()
	cl := ashlartest.Start(t, opts...)
	return &world{Cluster: cl, t: t, c: cl.Client(), rng: randomness(t), bucket: "bucket"}
}

func (w *world) counters() *pb.Counters {
	w.t.Helper()
	s, err := w.c.Status(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return s.GetCounters()
}

// TestCluster is what a healthy cluster shows. Its parts share one, each with
// a client of its own.
func TestCluster(t *testing.T) {
	shared := newWorld(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"RoundTrip", testRoundTrip},
		{"Names", testNames},
		{"Prefixes", testPrefixes},
		{"Conditions", testConditions},
		{"BadInput", testBadInput},
		{"BlockVerbs", testBlockVerbs},
		{"BlocksTravelOnce", testBlocksTravelOnce},
		{"ManyPages", testManyPages},
		{"Ranges", testRanges},
		{"CutByContent", testCutByContent},
		{"Trash", testTrash},
		{"Redundancy", testRedundancy},
		{"RedundancyChanges", testRedundancyChanges},
		{"Renew", testRenew},
		{"RenewOvertaken", testRenewOvertaken},
		{"ConcurrentPuts", testConcurrentPuts},
	} {
		t.Run(part.name, func(t *testing.T) {
			c, err := client.Open(t.Context(), client.Config{Endpoints: shared.Endpoints()})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			part.run(t, &world{Cluster: shared.Cluster, t: t, c: c, rng: shared.rng, bucket: strings.ToLower(part.name)})
		})
	}
}
