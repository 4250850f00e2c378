package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// file returns the path of blockserver i's copy of a block.
func (w *world) file(i int, h protocol.Hash) string {
	digits := h.String()
	return filepath.Join(w.BlockDir(i), "data", digits[:2], digits[2:4], digits)
}

// spoil flips a bit near the end of blockserver i's copy.
func (w *world) spoil(i int, h protocol.Hash) {
	w.t.Helper()
	path := w.file(i, h)
	body, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	body[len(body)-20] ^= 0x10
	if err := os.Chmod(path, 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// waitCopies waits until n copies of a block are counted.
func (w *world) waitCopies(h protocol.Hash, n int) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("%d copies of %s", n, h.Short()), func() bool {
		s, err := w.c.StatBlock(w.t.Context(), h)
		return err == nil && len(s.Copies) == n
	})
}

func TestBadCopies(t *testing.T) {
	w := newWorld(t)
	content := noise(w.rng, 200_000)
	h := w.put("bucket", "object", content).Digest
	w.waitCopies(h, 3)
	w.spoil(0, h)
	for range 6 {
		w.get("bucket", "object", content)
	}
	if err := os.Remove(w.file(1, h)); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		w.get("bucket", "object", content)
	}
	w.spoil(2, h)
	_, err := w.read("bucket", "object")
	if !errors.Is(err, client.ErrDataLost) || !strings.Contains(err.Error(), h.String()) {
		t.Errorf("with no good copy: %v", err)
	}
	if status, err := w.c.Status(t.Context()); err != nil || status.GetReports() == 0 {
		eventually(t, "bad copies are reported", func() bool {
			status, err := w.c.Status(t.Context())
			return err == nil && status.GetReports() > 0
		})
	}
}

func (w *world) read(bucket, name string) ([]byte, error) {
	r, err := w.c.Get(w.t.Context(), bucket, name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestOneBlockserverDead(t *testing.T) {
	w := newWorld(t)
	content := noise(w.rng, 3<<20)
	w.put("bucket", "before", content)
	if err := w.KillBlockserver(1); err != nil {
		t.Fatal(err)
	}
	w.get("bucket", "before", content)
	for i := range 5 {
		more := noise(w.rng, 1<<20+i)
		w.put("bucket", fmt.Sprint("during-", i), more)
		w.get("bucket", fmt.Sprint("during-", i), more)
	}
	if err := w.KillBlockserver(2); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	refused := make(chan error, 1)
	go func() {
		_, err := w.c.Put(ctx, "bucket", "too-few", bytes.NewReader(content))
		refused <- err
	}()
	if err := w.RestartBlockserver(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := <-refused; err != nil {
		t.Errorf("a put that met one blockserver did not wait for the second: %v", err)
	}
	cancel()
	w.get("bucket", "before", content)
	w.get("bucket", "too-few", content)
}

// gate is a reader that lets the test run between two pieces.
type gate struct {
	parts  [][]byte
	before func(part int)
	part   int
}

func (g *gate) Read(p []byte) (int, error) {
	for len(g.parts) > 0 && len(g.parts[0]) == 0 {
		g.parts = g.parts[1:]
		g.part++
		if g.before != nil && len(g.parts) > 0 {
			g.before(g.part)
		}
	}
	if len(g.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, g.parts[0])
	g.parts[0] = g.parts[0][n:]
	return n, nil
}

func TestRestartsBetweenStoreAndCommit(t *testing.T) {
	w := newWorld(t)
	a, b := noise(w.rng, 3<<20), noise(w.rng, 1<<20)
	g := &gate{parts: [][]byte{bytes.Clone(a), bytes.Clone(b)}, before: func(int) {
		eventually(t, "three blocks are stored", func() bool { return w.c.Stats().BlocksSent == 3 })
		// The claims of these blocks speak for incarnations that end here.
		for i := range 3 {
			if err := w.KillBlockserver(i); err != nil {
				t.Error(err)
			}
			if err := w.RestartBlockserver(t.Context(), i); err != nil {
				t.Error(err)
			}
		}
	}}
	if _, err := w.c.Put(t.Context(), "bucket", "object", g); err != nil {
		t.Fatal(err)
	}
	w.get("bucket", "object", append(bytes.Clone(a), b...))
}

func TestLeaderKilled(t *testing.T) {
	w := newWorld(t)
	const writers, each = 6, 25
	content := noise(w.rng, 5000)
	killed := make(chan struct{})
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for j := range each {
				if i == 0 && j == 5 {
					close(killed)
				}
				name := fmt.Sprintf("w%d/%03d", i, j)
				body := append([]byte(name), content...)
				// Twice executed, a put that must find nothing would find itself.
				if _, err := w.c.Put(t.Context(), "bucket", name, bytes.NewReader(body), client.IfAbsent()); err != nil {
					t.Errorf("put %s: %v", name, err)
				}
				if j%5 == 4 {
					if err := w.c.Delete(t.Context(), "bucket", name); err != nil {
						t.Errorf("delete %s: %v", name, err)
					}
				}
			}
		})
	}
	<-killed
	dead := w.Leader()
	eventually(t, "a leader", func() bool { dead = w.Leader(); return dead >= 0 })
	if err := w.KillMetaserver(dead); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if got := w.list("bucket"); len(got) != writers*each*4/5 {
		t.Errorf("%d objects, want %d", len(got), writers*each*4/5)
	}
	if err := w.RestartMetaserver(t.Context(), dead); err != nil {
		t.Error(err)
	}
	w.get("bucket", "w3/003", append([]byte("w3/003"), content...))
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	endless := &gate{parts: make([][]byte, 1000), before: func(part int) {
		if part == 20 {
			cancel()
		}
	}}
	for i := range endless.parts {
		endless.parts[i] = noise(w.rng, 100_000)
	}
	if _, err := w.c.Put(ctx, "bucket", "endless", endless, client.WithBlockSize(64<<10)); !errors.Is(err, client.ErrCanceled) || !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled put: %v", err)
	}
	if _, err := w.c.Stat(t.Context(), "bucket", "endless"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("after a canceled put: %v", err)
	}
	content := noise(w.rng, 20<<20)
	w.put("bucket", "long", content)
	ctx, cancel = context.WithCancel(t.Context())
	r, err := w.c.Get(ctx, "bucket", "long")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 3<<20)); err != nil {
		t.Error(err)
	}
	cancel()
	if n, err := io.Copy(io.Discard, r); !errors.Is(err, client.ErrCanceled) || n > 1<<20 {
		t.Errorf("a canceled get gave %d more bytes and %v", n, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, client.ErrCanceled) {
		t.Errorf("reading a closed reader: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := w.c.Stat(ctx, "bucket", "long"); !errors.Is(err, client.ErrCanceled) {
		t.Errorf("a call that begins canceled: %v", err)
	}
}

// TestReplacedWhileRead: a reader gives the bytes of its own version or an
// error, never some of each.
func TestReplacedWhileRead(t *testing.T) {
	w := newWorld(t)
	content, other := noise(w.rng, 12<<20), noise(w.rng, 12<<20)
	w.put("bucket", "object", content)
	c := w.Open(client.Config{ReadAhead: -1})
	r, err := c.Get(t.Context(), "bucket", "object")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.put("bucket", "object", other)
	for i := range 3 {
		// As reclamation will do, in time.
		for at := 6 << 20; at < len(content); at += 1 << 20 {
			h := protocol.HashOf(content[at : at+1<<20])
			if err := os.Remove(w.file(i, h)); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
	got, err := io.ReadAll(r)
	if !errors.Is(err, client.ErrChanged) || !bytes.Equal(got, content[:6<<20]) {
		t.Errorf("%d bytes and %v", len(got), err)
	}
	w.get("bucket", "object", other)
}

// TestNoLeader: stale reads go on without one.
func TestNoLeader(t *testing.T) {
	w := newWorld(t)
	content := noise(w.rng, 100_000)
	w.put("bucket", "object", content)
	for _, endpoint := range w.Endpoints() {
		c := w.Open(client.Config{Endpoints: []string{endpoint}})
		eventually(t, "every replica has the object", func() bool {
			_, err := c.Stat(t.Context(), "bucket", "object", client.WithLevel(client.Stale))
			return err == nil
		})
	}
	for i := range 2 {
		if err := w.KillMetaserver(i); err != nil {
			t.Fatal(err)
		}
	}
	w.get("bucket", "object", content, client.WithLevel(client.Stale))
	if _, err := w.c.Stat(t.Context(), "bucket", "object", client.WithLevel(client.Stale)); err != nil {
		t.Error(err)
	}
	for _, err := range w.c.List(t.Context(), "bucket", client.WithLevel(client.Stale)) {
		if err != nil {
			t.Error(err)
		}
	}
	other, err := client.Open(t.Context(), client.Config{Endpoints: w.Endpoints()})
	if err != nil {
		t.Fatalf("opening without a leader: %v", err)
	}
	defer other.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := other.Put(ctx, "bucket", "late", strings.NewReader("x")); !errors.Is(err, client.ErrCanceled) && !errors.Is(err, client.ErrUnknownOutcome) {
		t.Errorf("a put without a leader: %v", err)
	}
	if err := w.RestartMetaserver(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	w.put("bucket", "after", content)
}

func TestClose(t *testing.T) {
	w := newWorld(t)
	c := w.Open(client.Config{})
	content := noise(w.rng, 12<<20)
	w.put("bucket", "object", content)
	r, err := c.Get(t.Context(), "bucket", "object")
	if err != nil {
		t.Fatal(err)
	}
	before := w.counters().GetSessions()
	if _, err := c.Put(t.Context(), "bucket", "small", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if got := w.counters().GetSessions(); got != before+1 {
		t.Errorf("%d sessions after a change, %d before", got, before)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := w.counters().GetSessions(); got != before {
		t.Errorf("%d sessions after Close, %d before", got, before)
	}
	if _, err := c.Put(t.Context(), "bucket", "late", strings.NewReader("x")); !errors.Is(err, client.ErrCanceled) {
		t.Errorf("put after Close: %v", err)
	}
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, client.ErrCanceled) {
		t.Errorf("reading on after Close: %v", err)
	}
	_ = r.Close()
}
