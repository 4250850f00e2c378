package client_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// put stores content and checks what the answer says of it.
func (w *world) put(bucket, name string, content []byte, opts ...client.Option) client.Object {
	w.t.Helper()
	obj, err := w.c.Put(w.t.Context(), bucket, name, bytes.NewReader(content), opts...)
	if err != nil {
		w.t.Fatalf("put %s: %v", name, err)
	}
	if obj.Size != int64(len(content)) || obj.Digest != protocol.HashOf(content) || obj.Version.IsZero() {
		w.t.Fatalf("put %s answered %+v", name, obj)
	}
	return obj
}

// get reads an object, checks it against want and returns what the read moved.
func (w *world) get(bucket, name string, want []byte, opts ...client.Option) client.Stats {
	w.t.Helper()
	r, err := w.c.Get(w.t.Context(), bucket, name, opts...)
	if err != nil {
		w.t.Fatalf("get %s: %v", name, err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		w.t.Fatalf("get %s: after %d bytes: %v", name, len(got), err)
	}
	if !bytes.Equal(got, want) {
		w.t.Fatalf("get %s: %d bytes are not the %d that were put", name, len(got), len(want))
	}
	return r.Stats()
}

func testRoundTrip(t *testing.T, w *world) {
	for _, size := range []int{0, 1, 3072, 3073, 1<<20 - 1, 1 << 20, 1<<20 + 1, 5<<20 + 7} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			content := noise(w.rng, size)
			name := fmt.Sprint("size/", size)
			put := w.put(w.bucket, name, content)
			w.get(w.bucket, name, content)
			stat, err := w.c.Stat(t.Context(), w.bucket, name)
			if err != nil || stat.Size != int64(size) || stat.Digest != put.Digest || stat.Version != put.Version {
				t.Errorf("stat %+v, %v; put %+v", stat, err, put)
			}
			if stat.Inline != put.Inline {
				t.Errorf("inline: stat %v, put %v", stat.Inline, put.Inline)
			}
		})
	}
}
