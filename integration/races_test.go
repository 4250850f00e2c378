package integration_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// racer is one client of the race: it puts and deletes names of its own, with
// contents that all share, and knows what each name must read as.
type racer struct {
	t        *testing.T
	sdk      *client.Client
	id       int
	random   *rand.Rand
	contents [][]byte
	// holds is what a name reads as: the number of a content, or -1. After an
	// outcome that is not known a name has two, and is left alone: the request may
	// take effect as late as it likes.
	holds map[string][]int
	serial,
	done, unknown int
}

// TestRaceOfPutsAndDeletes: clients put, delete and put again the same few
// contents, each under names of its own, while leaders and blockservers are killed
// one after the other. No acknowledged object is ever missing, and at the end
// nothing is left of what was deleted. ASHLAR_RACE_SECONDS sets how long; ten.
func TestRaceOfPutsAndDeletes(t *testing.T) {
	seconds := 10
	if s := os.Getenv("ASHLAR_RACE_SECONDS"); s != "" {
		var err error
		if seconds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d, %d seconds", seed, seconds)
	c, ctx := start(t, cluster.Config{})
	command(t, ctx, c, "gc", "set", "--grace", "0s")
	random := rand.New(rand.NewPCG(seed, 0))
	var contents [][]byte
	for range 6 {
		contents = append(contents, randomBytes(random, 4000+random.IntN(8000)))
	}
	over, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
	defer cancel()
	racers := make([]*racer, 16)
	var group sync.WaitGroup
	for i := range racers {
		r := &racer{t: t, sdk: open(t, ctx, c), id: i, random: rand.New(rand.NewPCG(seed, uint64(i+1))), contents: contents, holds: map[string][]int{}}
		racers[i] = r
		group.Go(func() {
			for over.Err() == nil && !t.Failed() {
				r.step(ctx)
			}
		})
	}
	kills := killInTurn(t, over, ctx, c, random)
	group.Wait()
	done, unknown := 0, 0
	for _, r := range racers {
		for name := range r.holds {
			r.check(ctx, name)
		}
		done, unknown = done+r.done, unknown+r.unknown
		_ = r.sdk.Close()
	}
	t.Logf("%d operations, %d of unknown outcome, %d kills", done, unknown, kills)
	sdk := open(t, ctx, c)
	defer func() { _ = sdk.Close() }()
	noDrift(t, ctx, c)
	command(t, ctx, c, "rm", "-r", "race/")
	await(t, ctx, "everything dead to be gone", func() bool { return nothing(t, ctx, c, sdk) })
	noDrift(t, ctx, c)
}

// killInTurn kills the leader, then a blockserver, and so on, each started again
// and the cluster whole before the next, until over ends. It returns how many.
func killInTurn(t *testing.T, over, ctx context.Context, c *cluster.Cluster, random *rand.Rand) (kills int) {
	t.Helper()
	for over.Err() == nil && !t.Failed() {
		victim := c.Block[random.IntN(len(c.Block))]
		if kills%2 == 0 {
			leader, err := c.Leader(ctx)
			if err != nil {
				continue
			}
			victim = leader
		}
		if err := victim.Restart(); err != nil {
			t.Fatal(err)
		}
		kills++
		if err := c.WaitReady(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return kills
}

// step does one thing to one name, and now and then reads one.
func (r *racer) step(ctx context.Context) {
	name := r.pick()
	var err error
	next := -1
	if r.random.IntN(3) == 0 && r.holds[name][0] >= 0 {
		err = r.sdk.Delete(ctx, "race", name)
	} else {
		next = r.random.IntN(len(r.contents))
		_, err = r.sdk.Put(ctx, "race", name, bytes.NewReader(r.contents[next]))
	}
	r.done++
	switch protocol.KindOf(err) {
	case 0:
		r.holds[name] = []int{next}
	case protocol.UnknownOutcome, protocol.Canceled:
		r.unknown++
		r.holds[name] = append(r.holds[name], next)
	case protocol.NotFound:
		r.t.Errorf("%s held content %v and was not found to be deleted", name, r.holds[name])
	}
	if r.random.IntN(4) == 0 {
		r.check(ctx, name)
	}
}

// pick returns one of four names whose state is known.
func (r *racer) pick() string {
	for {
		name := fmt.Sprintf("%d/%d", r.id, r.serial+r.random.IntN(4))
		known, used := r.holds[name]
		switch {
		case !used:
			r.holds[name] = []int{-1}
			return name
		case len(known) == 1:
			return name
		}
		r.serial++
	}
}

// check reads a name, until there is an answer.
func (r *racer) check(ctx context.Context, name string) {
	for ctx.Err() == nil {
		got := -1
		reader, err := r.sdk.Get(ctx, "race", name)
		if err == nil {
			var content []byte
			if content, err = readAll(reader); err == nil {
				got = slices.IndexFunc(r.contents, func(c []byte) bool { return bytes.Equal(c, content) })
			}
		}
		switch protocol.KindOf(err) {
		case 0, protocol.NotFound:
			if !slices.Contains(r.holds[name], got) || err == nil && got < 0 {
				r.t.Errorf("%s reads as content %d, %v; it holds one of %v", name, got, err, r.holds[name])
			}
			return
		case protocol.Unavailable, protocol.UnknownOutcome, protocol.Busy, protocol.NotLeader:
			// Too many are down at this moment.
		default:
			r.t.Errorf("%s holds one of %v: %v", name, r.holds[name], err)
			return
		}
	}
}
