package integration_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

var (
	rebuildMiB     = flag.Int("rebuild.mib", 16, "size of the cluster's content in the reports of rebuild and drain")
	rebuildPaces   = flag.String("rebuild.tranquility", "0", "settings of tranquility that rebuilds are reported with")
	rebuildRate    = flag.Int("rebuild.rate", 25, "puts, and gets, a second of the foreground")
	rebuildSamples = flag.Int("rebuild.samples", 50, "puts, and gets, of the foreground that are waited for before the rebuild")
)

// reportBlock is the size of the objects in the reports: one block each.
const reportBlock = 1 << 20

// bed is one cluster of a report, filled.
type bed struct {
	t        *testing.T
	ctx      context.Context
	c        *cluster.Cluster
	o        *operator
	sdk      *client.Client
	contents [][]byte
	// places are where the content's files lie below a node's folder.
	places []string
	seed   uint64
}

// TestRebuildReport loses one of five blockservers for good, and drains one of
// five, under a steady foreground, and reports how long the copies take against
// plain copies of the same files on the same disk in the same run, and what the
// foreground notices. That copies end up where they belong is tested, times are
// not. The flags rebuild.* make it large enough for figures that mean something.
func TestRebuildReport(t *testing.T) {
	seed := rand.Uint64()
	r := &report{title: fmt.Sprintf("%d objects of 1 MiB, 3 copies, 5 blockservers, %d processors, %d puts and %d gets a second, seed %d",
		*rebuildMiB, runtime.NumCPU(), *rebuildRate, *rebuildRate, seed)}
	for _, pace := range strings.Split(*rebuildPaces, ",") {
		t.Run("rebuild-"+pace, func(t *testing.T) { newBed(t, seed).rebuild(r.of(t), pace) })
	}
	t.Run("drain", func(t *testing.T) { newBed(t, seed).drain(r.of(t)) })
	t.Logf("%s", r)
}

// newBed starts a cluster and fills it.
func newBed(t *testing.T, seed uint64) *bed {
	t.Helper()
	c, ctx := start(t, cluster.Config{Blockservers: 5})
	b := &bed{t: t, ctx: ctx, c: c, o: newOperator(t, ctx, c), sdk: open(t, ctx, c), seed: seed}
	t.Cleanup(func() { _ = b.sdk.Close() })
	b.o.run("gc", "set", "--grace", "0s")
	random := rand.New(rand.NewPCG(seed, 0))
	numbers := make(chan int)
	var group sync.WaitGroup
	for range *rebuildMiB {
		content := randomBytes(random, reportBlock)
		h := protocol.HashOf(content).String()
		b.contents = append(b.contents, content)
		b.places = append(b.places, filepath.Join("data", h[:2], h[2:4], h))
	}
	for range 4 {
		group.Go(func() {
			for i := range numbers {
				if _, err := b.sdk.Put(ctx, "report", fmt.Sprint("set/", i), bytes.NewReader(b.contents[i])); err != nil {
					t.Errorf("put %d: %v", i, err)
				}
			}
		})
	}
	for i := range b.contents {
		numbers <- i
	}
	close(numbers)
	group.Wait()
	b.o.settled()
	return b
}

// quiet measures the foreground alone, as it is before anything is copied.
func (b *bed) quiet() latencies {
	f := b.foreground("before")
	f.more(*rebuildSamples)
	f.end()
	// A write that was faster than its third copy leaves that for a moment.
	b.o.settled()
	return f.latencies()
}

// rebuild loses a node and has its copies made again at the pace.
func (b *bed) rebuild(r *report, pace string) {
	b.o.run("gc", "set", "--tranquility", pace)
	before := b.quiet()
	lost := b.c.Block[1]
	id := b.o.id(lost)
	lost.Kill()
	files := b.plainCopies(r, lost)

	f := b.foreground("during")
	begun := time.Now()
	b.o.removed(lost)
	b.t.Logf("removed after %v", time.Since(begun))
	var written, took time.Duration
	await(b.t, b.ctx, "the lost copies to be made again", func() bool {
		if written == 0 && b.files() >= 3*len(b.places) {
			written = time.Since(begun)
		}
		// What the foreground writes lacks a copy for a moment again and again, so the
		// counters of the cluster tell nothing of the end.
		took = time.Since(begun)
		return written > 0 && b.cleaned(id) && b.o.unretired() == ""
	})
	f.end()
	r.copied("copies made, tranquility "+pace, int64(b.on(lost))*reportBlock, written)
	r.copied("no mention left, layouts retired", files, took)
	r.noticed("rebuild, tranquility "+pace, before, f.latencies())
	b.o.settled()
	b.verify()
}

// files counts the content's files on the nodes that run.
func (b *bed) files() (count int) {
	for _, m := range b.c.Block {
		if m.Running() {
			count += b.on(m)
		}
	}
	return count
}

// on counts the content's files on a node.
func (b *bed) on(m *cluster.Member) (count int) {
	for _, place := range b.places {
		if _, err := os.Stat(filepath.Join(m.Data, place)); err == nil {
			count++
		}
	}
	return count
}

// cleaned tells whether no record mentions a removed node any more.
func (b *bed) cleaned(id uint32) bool {
	list, err := b.o.Nodes(b.ctx, false, true)
	if err != nil {
		return false
	}
	for _, n := range list {
		if n.GetNode().GetNode() == id {
			return n.GetWaitsFor() == ""
		}
	}
	return false
}

// drain empties a node that answers.
func (b *bed) drain(r *report) {
	before := b.quiet()
	going := b.c.Block[1]
	files := b.plainCopies(r, going)
	f := b.foreground("during")
	begun := time.Now()
	b.o.change("drain", &pb.NodeChange{Node: b.o.id(going), Kind: pb.NodeChange_DRAIN})
	b.o.reach(going, pb.NodeState_NODE_STATE_DRAINED)
	took := time.Since(begun)
	f.end()
	if n := filesOf(b.t, going); n > 0 {
		b.t.Errorf("a drained node has %d files", n)
	}
	r.copied("drain", files, took)
	r.noticed("drain", before, f.latencies())
	b.o.settled()
	b.verify()
}

// plainCopies copies a node's files without Ashlar.
func (b *bed) plainCopies(r *report, m *cluster.Member) (bytes int64) {
	b.t.Helper()
	from, to := filepath.Join(m.Data, "data"), b.t.TempDir()
	for _, way := range []struct {
		name string
		copy func(from, to string) (int64, error)
	}{{limitCp, copyThenSync}, {limitDurable, copyDurably}} {
		begun := time.Now()
		n, err := way.copy(from, filepath.Join(to, strconv.Itoa(len(way.name))))
		if err != nil {
			b.t.Fatal(err)
		}
		bytes = n
		r.copied(way.name, n, time.Since(begun))
	}
	return bytes
}

// verify reads the whole content.
func (b *bed) verify() {
	b.t.Helper()
	for i, want := range b.contents {
		reader, err := b.sdk.Get(b.ctx, "report", fmt.Sprint("set/", i))
		var got []byte
		if err == nil {
			got, err = readAll(reader)
		}
		if err != nil || !bytes.Equal(got, want) {
			b.t.Fatalf("object %d reads as %d bytes, %v", i, len(got), err)
		}
	}
}
