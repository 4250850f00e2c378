package reclamation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
)

// raceTime is how long writers race with reclamation.
const raceTime = 8 * time.Second

// TestSameContentsComeAndGo is the race that stores with a clock lose: the same
// few contents are put, deleted and put again by many while their blocks are
// condemned, deleted and reaped at once, and servers go and come. What was
// acknowledged reads back, and when all is deleted nothing remains.
func TestSameContentsComeAndGo(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	s := start(t, 4)
	contents := make([][]byte, 12)
	for i := range contents {
		contents[i] = s.noise(6 << 10)
	}
	ctx, cancel := context.WithTimeout(context.Background(), raceTime)
	defer cancel()
	var racing sync.WaitGroup
	for i := range 8 {
		r := rand.New(rand.NewPCG(s.r.Uint64(), 5))
		racing.Go(func() { s.race(ctx, r, fmt.Sprint("racer", i), contents) })
	}
	racing.Go(func() { s.havoc(ctx) })
	racing.Wait()
	s.with(func(ctx context.Context, c *client.Client) {
		for e, err := range c.List(ctx, "bucket") {
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Delete(ctx, "bucket", e.Object.Name); err != nil {
				t.Fatal(err)
			}
		}
	})
	s.eventually("nothing left", func() bool { return zero(s.counters()) && s.empty(0, 1, 2, 3) })
}

// race puts, reads and deletes one name.
func (s *site) race(ctx context.Context, r *rand.Rand, name string, contents [][]byte) {
	c, err := client.Open(ctx, client.Config{Endpoints: s.Endpoints()})
	if err != nil {
		s.t.Error(err)
		return
	}
	defer func() { _ = c.Close() }()
	for ctx.Err() == nil {
		want := contents[r.IntN(len(contents))]
		if _, err := c.Put(ctx, "bucket", name, bytes.NewReader(want)); err != nil {
			continue // it may be there or not; the next put settles that
		}
		if r.IntN(2) == 0 {
			s.reads(ctx, c, name, want)
		}
		if r.IntN(2) == 0 {
			_ = c.Delete(ctx, "bucket", name)
		}
	}
}

// reads expects what was acknowledged, for as long as it takes a server to return.
func (s *site) reads(ctx context.Context, c *client.Client, name string, want []byte) {
	for {
		r, err := c.Get(ctx, "bucket", name)
		if err == nil {
			var got []byte
			got, err = io.ReadAll(r)
			_ = r.Close()
			if err == nil {
				if !bytes.Equal(got, want) {
					s.t.Errorf("%s reads back as something else", name)
				}
				return
			}
		}
		if errors.Is(err, client.ErrNotFound) {
			s.t.Errorf("%s was acknowledged and is gone: %v", name, err)
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// havoc kills and restarts a leader or a blockserver, one after the other.
func (s *site) havoc(ctx context.Context) {
	patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), generous)
	defer cancel()
	for i := 0; ctx.Err() == nil; i++ {
		if leader := s.Leader(); i%2 == 0 && leader >= 0 {
			s.must(s.KillMetaserver(leader))
			s.must(s.RestartMetaserver(patient, leader))
			continue
		}
		s.must(s.KillBlockserver(i % 4))
		s.must(s.RestartBlockserver(patient, i%4))
	}
}

func (s *site) must(err error) {
	if err != nil {
		s.t.Error(err)
	}
}
