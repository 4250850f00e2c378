package cut

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// heap is a Pool that only counts.
type heap struct{ out int }

func (h *heap) Get(n int) []byte { h.out++; return make([]byte, n) }
func (h *heap) Put([]byte)       { h.out-- }

// pieces cuts r and returns what came out.
func pieces(t testing.TB, r io.Reader, size int, byContent bool) (out [][]byte, err error) {
	t.Helper()
	b := NewBudget(1<<20, 4)
	h := &heap{}
	k, err := New(Config{Source: r, Size: size, ByContent: byContent, Budget: b, Pool: h})
	if err != nil {
		t.Fatal(err)
	}
	for {
		offset := k.Offset()
		more, lookErr := k.More()
		p, err := k.Next(context.Background())
		if err == nil && !more || err == io.EOF && more {
			t.Fatalf("More says %v, %v and Next %v", more, lookErr, err)
		}
		if err == io.EOF {
			if h.out != 0 {
				t.Fatalf("%d buffers were lost", h.out)
			}
			if cost, err := b.Take(context.Background(), 1<<20); err != nil || cost != 1<<20 {
				t.Fatalf("the budget is not whole: %v", err)
			}
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if p.Offset != offset || len(p.Plain) == 0 || len(p.Plain) > size {
			t.Fatalf("a piece of %d bytes at %d, expected at %d", len(p.Plain), p.Offset, offset)
		}
		out = append(out, bytes.Clone(p.Plain))
		h.Put(p.Plain)
		b.Give(p.Cost)
	}
}

func TestFixed(t *testing.T) {
	content := make([]byte, 300_001)
	for i := range content {
		content[i] = byte(i * 7)
	}
	for _, size := range []int{1 << 10, 64 << 10, 64<<10 + 1, 100_000, 300_000, 300_001, 300_002} {
		got, err := pieces(t, bytes.NewReader(content), size, false)
		if err != nil || len(got) != (len(content)+size-1)/size || !bytes.Equal(bytes.Join(got, nil), content) {
			t.Errorf("size %d: %d pieces, %v", size, len(got), err)
		}
	}
	if got, err := pieces(t, strings.NewReader(""), 100, false); err != nil || len(got) != 0 {
		t.Errorf("of nothing: %d pieces, %v", len(got), err)
	}
}

func TestSameBytesSamePieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	content := make([]byte, 500_000)
	for i := range content {
		content[i] = byte(rng.Uint32())
	}
	for _, byContent := range []bool{false, true} {
		want, err := pieces(t, bytes.NewReader(content), 32<<10, byContent)
		if err != nil {
			t.Fatal(err)
		}
		for name, r := range map[string]io.Reader{
			"bytes":    iotest.OneByteReader(bytes.NewReader(content)),
			"halves":   iotest.HalfReader(bytes.NewReader(content)),
			"data+EOF": iotest.DataErrReader(bytes.NewReader(content)),
		} {
			got, err := pieces(t, r, 32<<10, byContent)
			if err != nil || len(got) != len(want) {
				t.Errorf("%s, by content %v: %d pieces, want %d, %v", name, byContent, len(got), len(want), err)
				continue
			}
			for i := range got {
				if !bytes.Equal(got[i], want[i]) {
					t.Errorf("%s, by content %v: piece %d differs", name, byContent, i)
				}
			}
		}
	}
}

func TestBrokenSource(t *testing.T) {
	broken := errors.New("the cable came off")
	for _, byContent := range []bool{false, true} {
		for _, good := range []int{0, 1, 4096, 10_000} {
			r := io.MultiReader(bytes.NewReader(make([]byte, good)), iotest.ErrReader(broken))
			if _, err := pieces(t, r, 8<<10, byContent); !errors.Is(err, broken) {
				t.Errorf("%d bytes, by content %v: %v", good, byContent, err)
			}
		}
	}
}

func TestBudget(t *testing.T) {
	b := NewBudget(1000, 4)
	for _, tc := range []struct{ n, cost int64 }{{0, 250}, {1, 250}, {251, 251}, {1000, 1000}, {5000, 1000}} {
		if got := b.Charge(int(tc.n)); got != tc.cost {
			t.Errorf("%d bytes cost %d, want %d", tc.n, got, tc.cost)
		}
	}
	cost, err := b.Take(t.Context(), 5000)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Take(ctx, 1); protocol.KindOf(err) != protocol.Canceled || !errors.Is(err, context.Canceled) {
		t.Errorf("waiting ends with %v", err)
	}
	p := &Piece{Cost: cost}
	b.Shrink(p, 300)
	if p.Cost != 300 {
		t.Errorf("a piece of 300 still costs %d", p.Cost)
	}
	if _, err := b.Take(t.Context(), 700); err != nil {
		t.Error(err)
	}
	if _, err := New(Config{Source: strings.NewReader(""), Size: 1024, ByContent: true, Budget: b, Pool: &heap{}}); protocol.KindOf(err) != protocol.InvalidArgument {
		t.Errorf("cutting 1 KiB by content: %v", err)
	}
}

// FuzzCutter checks that what comes out is what went in, however it is cut.
func FuzzCutter(f *testing.F) {
	f.Add([]byte("short"), uint16(1024), false)
	f.Add(bytes.Repeat([]byte("a longer one "), 3000), uint16(4096), true)
	f.Fuzz(func(t *testing.T, content []byte, size uint16, byContent bool) {
		n := max(int(size), 1)
		if byContent {
			n = max(n, MinByContent)
		}
		got, err := pieces(t, bytes.NewReader(content), n, byContent)
		if err != nil || !bytes.Equal(bytes.Join(got, nil), content) {
			t.Fatalf("%d bytes became %d pieces, %v", len(content), len(got), err)
		}
	})
}
