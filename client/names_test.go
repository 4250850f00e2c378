package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func (w *world) list(bucket string, opts ...client.Option) []string {
	w.t.Helper()
	var out []string
	for e, err := range w.c.List(w.t.Context(), bucket, opts...) {
		if err != nil {
			w.t.Fatalf("list: %v", err)
		}
		out = append(out, e.Key())
	}
	return out
}

func testNames(t *testing.T, w *world) {
	names := []string{"a", "dir/1", "dir/2", "dir/sub/3", "dir2/4", "z"}
	for _, n := range names {
		w.put(w.bucket, n, []byte(n))
	}
	w.put("other", "x", nil)
	for _, tc := range []struct {
		bucket string
		opts   []client.Option
		want   []string
	}{
		{w.bucket, nil, names},
		{w.bucket, []client.Option{client.WithPageSize(2)}, names},
		{w.bucket, []client.Option{client.WithDelimiter("/")}, []string{"a", "dir/", "dir2/", "z"}},
		{w.bucket, []client.Option{client.WithDelimiter("/"), client.WithPageSize(1)}, []string{"a", "dir/", "dir2/", "z"}},
		{w.bucket, []client.Option{client.WithPrefix("dir/"), client.WithDelimiter("/")}, []string{"dir/1", "dir/2", "dir/sub/"}},
		{w.bucket, []client.Option{client.WithDelimiter("/"), client.StartAfter("dir/1"), client.WithPageSize(1)}, []string{"dir/", "dir2/", "z"}},
		{w.bucket, []client.Option{client.StartAfter("dir/2")}, []string{"dir/sub/3", "dir2/4", "z"}},
		{w.bucket, []client.Option{client.WithLevel(client.Session)}, names},
		{"nobody", nil, nil},
	} {
		if got := w.list(tc.bucket, tc.opts...); !slices.Equal(got, tc.want) {
			t.Errorf("list %q gives %q, want %q", tc.bucket, got, tc.want)
		}
	}
	if buckets := w.list(""); !slices.Contains(buckets, w.bucket) || !slices.Contains(buckets, "other") {
		t.Errorf("the buckets are %q", buckets)
	}
	for range w.c.List(t.Context(), w.bucket, client.WithPageSize(1)) {
		break
	}

	if err := w.c.Delete(t.Context(), w.bucket, "a"); err != nil {
		t.Error(err)
	}
	if err := w.c.Delete(t.Context(), w.bucket, "a"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("deleting twice: %v", err)
	}
	if _, err := w.c.Stat(t.Context(), w.bucket, "a"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("stat after delete: %v", err)
	}
	outcomes, err := w.c.DeleteBatch(t.Context(), w.bucket, []string{"dir/1", "missing", "z"})
	if err != nil || len(outcomes) != 3 || outcomes[0] != nil || !errors.Is(outcomes[1], client.ErrNotFound) || outcomes[2] != nil {
		t.Errorf("batch: %v, %v", outcomes, err)
	}
	var many []string
	for i := range 2*protocol.MaxDeleteBatch + 1 {
		many = append(many, fmt.Sprint("many/", i))
	}
	if outcomes, err := w.c.DeleteBatch(t.Context(), w.bucket, many); err != nil || len(outcomes) != len(many) {
		t.Errorf("a batch of %d: %d outcomes, %v", len(many), len(outcomes), err)
	}
	if got, want := w.list(w.bucket), []string{"dir/2", "dir/sub/3", "dir2/4"}; !slices.Equal(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
}

func testConditions(t *testing.T, w *world) {
	content := noise(w.rng, 5000)
	one := w.put(w.bucket, "name", content, client.IfAbsent(), client.WithContentType("text/plain"), client.WithUserMetadata(map[string]string{"colour": "blue", "a": ""}))
	stat, err := w.c.Stat(t.Context(), w.bucket, "name")
	if err != nil || stat.ContentType != "text/plain" || !maps.Equal(stat.UserMetadata, map[string]string{"colour": "blue", "a": ""}) || stat.Modified.IsZero() {
		t.Errorf("stat %+v, %v", stat, err)
	}
	if _, err := w.c.Put(t.Context(), w.bucket, "name", strings.NewReader("x"), client.IfAbsent()); !errors.Is(err, client.ErrPreconditionFailed) {
		t.Errorf("if-absent on an object: %v", err)
	}
	two := w.put(w.bucket, "name", content[1:], client.IfVersion(one.Version))
	if _, err := w.c.Put(t.Context(), w.bucket, "name", strings.NewReader("x"), client.IfVersion(one.Version)); !errors.Is(err, client.ErrPreconditionFailed) {
		t.Errorf("if-version of an old one: %v", err)
	}
	if _, err := w.c.Stat(t.Context(), w.bucket, "name", client.IfVersion(one.Version)); !errors.Is(err, client.ErrChanged) {
		t.Errorf("stat of an old version: %v", err)
	}
	if err := w.c.Delete(t.Context(), w.bucket, "name", client.IfVersion(one.Version)); !errors.Is(err, client.ErrPreconditionFailed) {
		t.Errorf("delete of an old version: %v", err)
	}
	w.get(w.bucket, "name", content[1:])
	if err := w.c.Delete(t.Context(), w.bucket, "name", client.IfVersion(two.Version)); err != nil {
		t.Error(err)
	}

	var won atomic.Int32
	var winner atomic.Value
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			mine := append([]byte{byte(i)}, content...)
			_, err := w.c.Put(t.Context(), w.bucket, "race", bytes.NewReader(mine), client.IfAbsent())
			switch {
			case err == nil:
				won.Add(1)
				winner.Store(mine)
			case !errors.Is(err, client.ErrPreconditionFailed):
				t.Errorf("a loser was told %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d puts won", won.Load())
	}
	w.get(w.bucket, "race", winner.Load().([]byte))
}

func testBadInput(t *testing.T, w *world) {
	put := func(bucket, name string, opts ...client.Option) error {
		_, err := w.c.Put(t.Context(), bucket, name, strings.NewReader("x"), opts...)
		return err
	}
	for _, tc := range []struct {
		what string
		err  error
		kind error
	}{
		{"upper-case bucket", put("Bucket", "n"), client.ErrInvalidArgument},
		{"name with NUL", put(w.bucket, "a\x00b"), client.ErrInvalidArgument},
		{"name of 2 KiB", put(w.bucket, strings.Repeat("n", 2048)), client.ErrInvalidArgument},
		{"empty name", put(w.bucket, ""), client.ErrInvalidArgument},
		{"content type with newline", put(w.bucket, "n", client.WithContentType("a\nb")), client.ErrInvalidArgument},
		{"too much metadata", put(w.bucket, "n", client.WithUserMetadata(map[string]string{"k": strings.Repeat("v", 3000)})), client.ErrTooLarge},
		{"block size of 1", put(w.bucket, "n", client.WithBlockSize(1)), client.ErrInvalidArgument},
		{"a read's option", put(w.bucket, "n", client.WithRange(0, 1)), client.ErrInvalidArgument},
	} {
		if !errors.Is(tc.err, tc.kind) {
			t.Errorf("%s: %v", tc.what, tc.err)
		}
	}
	broken := errors.New("the cable came off")
	if _, err := w.c.Put(t.Context(), w.bucket, "n", io.MultiReader(bytes.NewReader(noise(w.rng, 3<<20)), failing{broken})); !errors.Is(err, broken) {
		t.Errorf("a broken source: %v", err)
	}
	if _, err := w.c.Put(t.Context(), w.bucket, "n", failing{broken}); !errors.Is(err, broken) {
		t.Errorf("a source that never worked: %v", err)
	}
	if got := w.list(w.bucket); len(got) != 0 {
		t.Errorf("bad input left %q", got)
	}
	if _, err := client.Open(t.Context(), client.Config{}); !errors.Is(err, client.ErrInvalidArgument) {
		t.Errorf("no endpoints: %v", err)
	}
	if _, err := client.Open(t.Context(), client.Config{Endpoints: w.Endpoints(), Cluster: protocol.ID{1}}); !errors.Is(err, client.ErrWrongCluster) {
		t.Errorf("a foreign cluster: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func testBlockVerbs(t *testing.T, w *world) {
	plain := []byte(strings.Repeat("a block by hand ", 1000))
	h, err := w.c.PutBlock(t.Context(), plain)
	if err != nil || h != protocol.HashOf(plain) {
		t.Fatalf("put: %s, %v", h, err)
	}
	for range 2 {
		got, err := w.c.GetBlock(t.Context(), h)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("get: %d bytes, %v", len(got), err)
		}
		w.put(w.bucket, "object", plain)
	}
	eventually(t, "three copies are counted", func() bool {
		s, err := w.c.StatBlock(t.Context(), h)
		return err == nil && s.Phase == "live" && s.PlainSize == int64(len(plain)) && len(s.Copies) == 3
	})
	if _, err := w.c.GetBlock(t.Context(), protocol.Hash{1}); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("an unknown block: %v", err)
	}
	if _, err := w.c.PutBlock(t.Context(), nil); !errors.Is(err, client.ErrTooLarge) {
		t.Errorf("an empty block: %v", err)
	}
}
