package bench

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"
)

func TestQuantilesAreWithinTwoPercent(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var a, b Histogram
	var all []time.Duration
	for i := range 5000 {
		d := time.Duration(random.ExpFloat64() * float64(time.Millisecond))
		all = append(all, d)
		if i%2 == 0 {
			a.Add(d)
		} else {
			b.Add(d)
		}
	}
	a.Merge(&b)
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.95, 0.99, 1} {
		want := all[max(int(q*5000)-1, 0)]
		got := a.Quantile(q)
		if got < want || float64(got) > float64(want)*1.02+1 {
			t.Errorf("%v: got %v, exactly %v", q, got, want)
		}
	}
	if a.Count() != 5000 || new(Histogram).Quantile(0.5) != 0 {
		t.Error("counts are off")
	}
}

func TestBucketsAreInOrder(t *testing.T) {
	for _, v := range []uint64{0, 1, 63, 64, 65, 127, 128, 1 << 20, 1<<40 + 12345, 1 << 62} {
		i := slot(time.Duration(v))
		if u := uint64(upper(i)); u < v || (i > 0 && uint64(upper(i-1)) >= v) {
			t.Errorf("%d lies in bucket %d, (%d, %d]", v, i, upper(i-1), u)
		}
	}
}

func TestParseStat(t *testing.T) {
	text := []byte("12 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0")
	if d, err := parseStat(text); err != nil || d != 2*time.Second {
		t.Fatalf("got %v, %v", d, err)
	}
	for _, bad := range []string{"", "12 (a", "12 (a) S 1 2", "1 (a) S 1 2 3 4 5 6 7 8 9 10 x 50 0"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

func TestProcessorsSeeThisProcess(t *testing.T) {
	p := Processors{Servers: []int{os.Getpid()}}
	for u := p.Read(); u.Own == 0; u = p.Read() {
		_ = rand.Uint64()
	}
}

func TestContentIsNewEachTimeAndTheSameBySeed(t *testing.T) {
	for _, compressible := range []bool{false, true} {
		c := Content{Seed: 7, Size: 10000, Compressible: compressible}
		c.Prepare()
		d := Content{Seed: 7, Size: 10000, Compressible: compressible}
		d.Prepare()
		x, y, z := make([]byte, 10000), make([]byte, 10000), make([]byte, 10000)
		c.Fill(x, 1, 2)
		d.Fill(y, 1, 2)
		c.Fill(z, 2, 1)
		if !bytes.Equal(x, y) || bytes.Equal(x, z) {
			t.Error("content does not follow from seed, worker and number")
		}
	}
}

func TestDriveEndsWithTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	_, err := Drive(context.Background(), Work{Concurrency: 3, For: time.Hour, Do: func(_ context.Context, worker, n int) error {
		if worker == 1 && n == 5 {
			return broken
		}
		return nil
	}}, &Processors{})
	if !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
}

func TestLimitsRun(t *testing.T) {
	c := &Content{Seed: 1, Size: 8192}
	c.Prepare()
	var names []string
	each := func(r Result) {
		names = append(names, r.Name)
		if r.Operations == 0 {
			t.Errorf("%s did nothing", r.Name)
		}
	}
	err := DataLimits(context.Background(), t.TempDir(), 20*time.Millisecond, 2, c, each)
	if err != nil {
		t.Fatal(err)
	}
	err = CommitLimits(context.Background(), t.TempDir(), 20*time.Millisecond, 64, each)
	if err != nil || len(names) != 6 {
		t.Fatalf("%v, %q", err, names)
	}
}

func TestRatiosCompareWhatBelongsTogether(t *testing.T) {
	got := Ratios([]Result{
		{Name: OpPut, Concurrency: 8, Size: 10, PerSecond: 50},
		{Name: LimitDurable, Concurrency: 8, Size: 10, PerSecond: 100},
		{Name: LimitDurable, Concurrency: 4, Size: 10, PerSecond: 1},
		{Name: OpCommit, Concurrency: 64, PerSecond: 30},
		{Name: LimitLog, Concurrency: 64, PerSecond: 40},
		{Name: LimitLog, Concurrency: 256, PerSecond: 1},
		{Name: OpGet, Concurrency: 8, Size: 10, PerSecond: 7},
	})
	want := []Ratio{{"put/limit.durable", 8, 10, 0.5}, {"commit/limit.log", 64, 0, 0.75}}
	if !slices.Equal(got, want) {
		t.Fatalf("got %+v", got)
	}
}
