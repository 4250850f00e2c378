package storetest

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Bed is a store under test and the disks below it.
type Bed struct {
	t     testing.TB
	make  Maker
	Disks []store.Dir
	*store.Store
}

// Cluster and Node are what a Bed's store is adopted as.
var (
	Cluster = protocol.ID{0xc1}
	Node    = protocol.NodeID(7)
)

func newBed(t testing.TB, make Maker) *Bed {
	b := &Bed{t: t, make: make}
	b.addDisk(0)
	return b
}

func (b *Bed) addDisk(capacity uint64) {
	fs, path := b.make(b.t)
	b.Disks = append(b.Disks, store.Dir{Path: path, FS: fs, Capacity: capacity})
}

// open opens the store without adopting it.
func (b *Bed) open() *store.Store {
	b.t.Helper()
	s, err := store.Open(store.Config{Dirs: b.Disks})
	if err != nil {
		b.t.Fatalf("open: %v", err)
	}
	b.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.t.Errorf("close: %v", err)
		}
	})
	return s
}

// start opens the store and adopts it, in place of the one before.
func (b *Bed) start() {
	b.t.Helper()
	b.stop()
	b.Store = b.open()
	b.adopt(b.Store)
}

func (b *Bed) adopt(s *store.Store) {
	b.t.Helper()
	numbers := make([]uint32, len(b.Disks))
	for i := range numbers {
		numbers[i] = uint32(10 + i)
	}
	if err := s.Adopt(Cluster, Node, 1, numbers); err != nil {
		b.t.Fatalf("adopt: %v", err)
	}
}

func (b *Bed) stop() {
	b.t.Helper()
	if b.Store != nil {
		if err := b.Close(); err != nil {
			b.t.Fatalf("close: %v", err)
		}
	}
}

// put stores plain at version counter and expects it to be kept at want.
func (b *Bed) put(plain []byte, counter, want uint64) protocol.Hash {
	b.t.Helper()
	h := protocol.HashOf(plain)
	c, err := b.Put(b.t.Context(), store.PutRequest{Hash: h, Version: at(counter), Body: plain, PlainSize: -1})
	if err != nil {
		b.t.Fatalf("put: %v", err)
	}
	if c.Version != at(want) || c.Hash != h || c.Node != Node || int(c.PlainSize) != len(plain) {
		b.t.Fatalf("put at %d answers %+v, want version %d", counter, c, want)
	}
	return h
}

// holds expects h to be readable as plain, at version want.
func (b *Bed) holds(h protocol.Hash, plain []byte, want uint64) {
	b.t.Helper()
	blk, err := b.Get(b.t.Context(), h)
	if err != nil {
		b.t.Fatalf("get: %v", err)
	}
	defer blk.Close()
	got, err := blk.Plain([]byte("head"))
	if err != nil || !bytes.Equal(got, append([]byte("head"), plain...)) {
		b.t.Fatalf("plain: %d bytes, %v", len(got), err)
	}
	if blk.Info.Version != at(want) {
		b.t.Fatalf("version %s, want %d", blk.Info.Version, want)
	}
}

// answers expects an error of this kind; 0 is none.
func (b *Bed) answers(kind protocol.Kind, err error) {
	b.t.Helper()
	if protocol.KindOf(err) != kind {
		b.t.Fatalf("error %v, want kind %s", err, kind)
	}
}

// clean expects no temporary file on any disk.
func (b *Bed) clean() {
	b.t.Helper()
	for _, d := range b.Disks {
		entries, err := d.FS.ReadDir("tmp")
		if err != nil || len(entries) > 0 {
			b.t.Fatalf("tmp holds %v, %v", entries, err)
		}
	}
}

// empty expects that nothing is stored.
func (b *Bed) empty() {
	b.t.Helper()
	items, _, _, err := b.List(b.t.Context(), protocol.Hash{}, 10)
	if err != nil || len(items) > 0 {
		b.t.Fatalf("list: %v, %v", items, err)
	}
	for _, d := range b.Store.Disks() {
		if d.Blocks != 0 || d.Used != 0 {
			b.t.Fatalf("disk counts %d blocks of %d bytes", d.Blocks, d.Used)
		}
	}
	b.clean()
}

// name returns the path of h's file.
func name(h protocol.Hash) string {
	s := h.String()
	return "data/" + s[:2] + "/" + s[2:4] + "/" + s
}

// edit replaces a file's bytes behind the store's back.
func (b *Bed) edit(disk int, file string, change func([]byte) []byte) {
	b.t.Helper()
	fs := b.Disks[disk].FS
	content, err := durable.Read(fs, file, 1<<30)
	if err == nil {
		err = fs.Remove(file)
	}
	if err == nil {
		err = durable.Write(fs, file, change(content))
	}
	if err != nil {
		b.t.Fatalf("edit %s: %v", file, err)
	}
}

func at(counter uint64) protocol.Version {
	return protocol.Version{Generation: 1, Counter: counter}
}

// Random returns size incompressible bytes; the same for the same seed.
func Random(seed uint64, size int) []byte {
	var key [32]byte
	key[0], key[1], key[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	b := make([]byte, size)
	// ChaCha8 never fails to read.
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// Text returns size compressible bytes; another seed begins differently.
func Text(seed uint64, size int) []byte {
	line := append(Random(seed, 8), "an ashlar is a squared building stone; "...)
	return bytes.Repeat(line, size/len(line)+1)[:size]
}

// Zstd compresses plain as a client would.
func Zstd(t testing.TB, plain []byte, opts ...zstd.EOption) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil, append([]zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return enc.EncodeAll(plain, nil)
}
