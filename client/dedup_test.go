package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// onlyReader hides everything of a reader but Read.
type onlyReader struct{ io.Reader }

func testBlocksTravelOnce(t *testing.T, w *world) {
	before := w.counters()
	content := noise(w.rng, 3<<20+100)
	var first, again, repeated client.Stats
	w.put(w.bucket, "one", content, client.WithStats(&first))
	if first.BlocksSent != 4 || first.BlocksDeduplicated != 0 {
		t.Errorf("the first put moved %+v", first)
	}
	w.put(w.bucket, "two", content, client.WithStats(&again))
	if again.BlocksSent != 0 || again.BytesSent != 0 || again.BlocksDeduplicated != 4 || again.BytesDeduplicated != int64(len(content)) {
		t.Errorf("the second put of the same bytes moved %+v", again)
	}
	w.get(w.bucket, "two", content)

	zeros := make([]byte, 8<<20)
	w.put(w.bucket, "zeros", zeros, client.WithStats(&repeated))
	if repeated.BlocksSent != 1 || repeated.BlocksDeduplicated != 7 {
		t.Errorf("eight equal blocks moved %+v", repeated)
	}
	w.get(w.bucket, "zeros", zeros)
	after := w.counters()
	if blocks, refs := after.GetLiveBlocks()-before.GetLiveBlocks(), after.GetReferences()-before.GetReferences(); blocks != 5 || refs != 4+4+8 {
		t.Errorf("%d blocks and %d references were added, want 5 and 16", blocks, refs)
	}
}

func testManyPages(t *testing.T, w *world) {
	const blockSize, blocks = 4 << 10, 2500
	// Drawn from few blocks, so that fewer files need to be synced.
	few := noise(w.rng, 150*blockSize)
	content := make([]byte, 0, blockSize*blocks)
	for range blocks {
		from := w.rng.IntN(150) * blockSize
		content = append(content, few[from:from+blockSize]...)
	}
	content = content[:len(content)-17]
	w.c.SetKeepAlive(time.Millisecond)
	var put client.Stats
	obj, err := w.c.Put(t.Context(), w.bucket, "pages", onlyReader{bytes.NewReader(content)}, client.WithBlockSize(blockSize), client.WithStats(&put))
	if err != nil {
		t.Fatal(err)
	}
	if put.BlocksSent < 150 || put.BlocksSent+put.BlocksDeduplicated != blocks {
		t.Errorf("the put moved %+v", put)
	}
	w.get(w.bucket, "pages", content)
	stat, err := w.c.Stat(t.Context(), w.bucket, "pages")
	if err != nil || stat.Blocks != blocks || stat.Digest != obj.Digest {
		t.Errorf("stat %+v, %v", stat, err)
	}
	for _, r := range [][2]int64{{0, 1}, {blockSize*protocol.MaxBlocksPerPage - 1, 2}, {blockSize * (2*protocol.MaxBlocksPerPage - 1), blockSize * 3}, {int64(len(content)) - 5, 100}, {blockSize * protocol.MaxBlocksPerPage, blockSize * (protocol.MaxBlocksPerPage + 1)}} {
		end := min(r[0]+r[1], int64(len(content)))
		w.get(w.bucket, "pages", content[r[0]:end], client.WithRange(r[0], r[1]))
	}
	if n := w.counters().GetUploads(); n != 0 {
		t.Errorf("%d uploads are left open", n)
	}

	broken := errors.New("the cable came off")
	source := io.MultiReader(bytes.NewReader(content), failing{broken})
	if _, err := w.c.Put(t.Context(), w.bucket, "broken", source, client.WithBlockSize(blockSize)); !errors.Is(err, broken) {
		t.Errorf("a source that broke in its third page: %v", err)
	}
	eventually(t, "the upload is given up", func() bool { return w.counters().GetUploads() == 0 })
	before := w.put(w.bucket, "other", nil)
	if _, err := w.c.Put(t.Context(), w.bucket, "other", bytes.NewReader(content), client.WithBlockSize(blockSize), client.IfAbsent()); !errors.Is(err, client.ErrPreconditionFailed) {
		t.Errorf("an upload that must find nothing: %v", err)
	}
	if after, err := w.c.Stat(t.Context(), w.bucket, "other"); err != nil || after.Version != before.Version || w.counters().GetUploads() != 0 {
		t.Errorf("it left %+v, %v and %d uploads", after, err, w.counters().GetUploads())
	}
}

func testRanges(t *testing.T, w *world) {
	content := noise(w.rng, 10<<20)
	w.put(w.bucket, "ten", content)
	for _, r := range []struct{ offset, length, blocks int64 }{
		{0, 1, 1},
		{5 << 20, 1 << 20, 1},
		{5<<20 + 300, 1 << 20, 2},
		{1<<20 - 1, 2, 2},
		{9<<20 + 5, 0, 1},
		{10<<20 - 1, 77, 1},
	} {
		end := int64(len(content))
		if r.length > 0 {
			end = min(end, r.offset+r.length)
		}
		moved := w.get(w.bucket, "ten", content[r.offset:end], client.WithRange(r.offset, r.length))
		if moved.BlocksFetched != r.blocks {
			t.Errorf("range %d+%d fetched %d blocks, want %d", r.offset, r.length, moved.BlocksFetched, r.blocks)
		}
	}
	if _, err := w.c.Get(t.Context(), w.bucket, "ten", client.WithRange(10<<20, 1)); !errors.Is(err, client.ErrRangeInvalid) {
		t.Errorf("a range beyond the end: %v", err)
	}
	if _, err := w.c.Get(t.Context(), w.bucket, "ten", client.WithRange(-1, 1)); !errors.Is(err, client.ErrRangeInvalid) {
		t.Errorf("a negative range: %v", err)
	}
	w.put(w.bucket, "small", []byte("inline"))
	w.get(w.bucket, "small", []byte("lin"), client.WithRange(2, 3))
}

func testCutByContent(t *testing.T, w *world) {
	content := noise(w.rng, 6<<20)
	w.put(w.bucket, "before", content, client.CutByContent(), client.WithBlockSize(256<<10))
	changed := append(append(append([]byte(nil), content[:3<<20]...), "inserted"...), content[3<<20:]...)
	var moved client.Stats
	w.put(w.bucket, "after", changed, client.CutByContent(), client.WithBlockSize(256<<10), client.WithStats(&moved))
	if moved.BlocksDeduplicated < 10*moved.BlocksSent {
		t.Errorf("after an insertion the put moved %+v", moved)
	}
	w.get(w.bucket, "before", content)
	w.get(w.bucket, "after", changed)
}

func testConcurrentPuts(t *testing.T, w *world) {
	shared := noise(w.rng, 2<<20)
	var contents [24][]byte
	for i := range contents {
		contents[i] = append(noise(w.rng, i*70_000), shared[:i<<16]...)
	}
	var wg sync.WaitGroup
	for i, content := range contents {
		wg.Go(func() {
			if _, err := w.c.Put(t.Context(), w.bucket, fmt.Sprint("object-", i), bytes.NewReader(content)); err != nil {
				t.Errorf("put %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for i, content := range contents {
		w.get(w.bucket, fmt.Sprint("object-", i), content)
	}
}
