package storetest

import (
	"bytes"
	"context"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func putGet(t *testing.T, b *Bed) {
	b.start()
	for i, plain := range [][]byte{
		{},
		{0},
		Text(1, 1000), Random(2, 1000), Text(3, protocol.DefaultBlockSize),
		Random(4, protocol.DefaultBlockSize), Text(5, protocol.MaxBlockSize),
	} {
		b.put(plain, uint64(10+i), uint64(10+i))
		z := append(bytes.Clone(plain), 'z')
		if len(z) > protocol.MaxBlockSize {
			z = z[1:]
		}
		body := Zstd(t, z)
		c, err := b.Put(t.Context(), store.PutRequest{Hash: protocol.HashOf(z), Version: at(9), Body: body, Zstd: true, PlainSize: len(z)})
		b.answers(0, err)
		if int(c.StoredSize) != len(body) || int(c.PlainSize) != len(z) || c.Disk != 10 || c.Incarnation != 1 {
			t.Fatalf("claim %+v for %d bytes as %d", c, len(z), len(body))
		}
		for round := range 2 {
			b.holds(protocol.HashOf(plain), plain, uint64(10+i))
			b.holds(protocol.HashOf(z), z, 9)
			b.storedIs(protocol.HashOf(z), body)
			if round == 0 {
				b.start()
			}
		}
		b.clean()
	}
}

// storedIs expects the file's frames to be body.
func (b *Bed) storedIs(h protocol.Hash, body []byte) {
	b.t.Helper()
	blk, err := b.Get(b.t.Context(), h)
	b.answers(0, err)
	defer blk.Close()
	got, err := blk.Stored(nil)
	if err != nil || !bytes.Equal(got, body) {
		b.t.Fatalf("stored: %d bytes, %v; want %d", len(got), err, len(body))
	}
}

func putRefusals(t *testing.T, b *Bed) {
	b.start()
	plain := Text(1, 5000)
	h, body := protocol.HashOf(plain), Zstd(t, plain)
	bomb := Zstd(t, make([]byte, protocol.MaxBlockSize+1))
	for _, c := range []struct {
		name string
		kind protocol.Kind
		r    store.PutRequest
	}{
		{"wrong bytes", protocol.HashMismatch, store.PutRequest{Body: plain[1:], PlainSize: -1}},
		{"wrong zstd bytes", protocol.HashMismatch, store.PutRequest{Body: Zstd(t, plain[1:]), Zstd: true, PlainSize: -1}},
		{"short", protocol.ShortBody, store.PutRequest{Body: plain[1:], PlainSize: len(plain)}},
		{"short zstd", protocol.ShortBody, store.PutRequest{Body: body, Zstd: true, PlainSize: len(plain) + 1}},
		{"long", protocol.SizeExceeded, store.PutRequest{Body: plain, PlainSize: len(plain) - 1}},
		{"long zstd", protocol.SizeExceeded, store.PutRequest{Body: body, Zstd: true, PlainSize: len(plain) - 1}},
		{"too large", protocol.TooLarge, store.PutRequest{Body: make([]byte, protocol.MaxBlockSize+1), PlainSize: -1}},
		{"declared too large", protocol.TooLarge, store.PutRequest{Body: plain, PlainSize: protocol.MaxBlockSize + 1}},
		{"bomb", protocol.SizeExceeded, store.PutRequest{Body: bomb, Zstd: true, PlainSize: -1}},
		{"no zstd", protocol.InvalidArgument, store.PutRequest{Body: plain, Zstd: true, PlainSize: -1}},
		{"cut zstd", protocol.InvalidArgument, store.PutRequest{Body: body[:len(body)-1], Zstd: true, PlainSize: -1}},
		{"trailing byte", protocol.InvalidArgument, store.PutRequest{Body: append(bytes.Clone(body), 0), Zstd: true, PlainSize: -1}},
		{"nothing", protocol.InvalidArgument, store.PutRequest{Zstd: true, PlainSize: -1}},
	} {
		c.r.Hash, c.r.Version = h, at(1)
		_, err := b.Put(t.Context(), c.r)
		if protocol.KindOf(err) != c.kind {
			t.Errorf("%s: %v, want %s", c.name, err, c.kind)
		}
	}
	_, err := b.Get(t.Context(), h)
	b.answers(protocol.NotFound, err)
	_, err = b.Touch(t.Context(), h, at(1))
	b.answers(protocol.NotFound, err)
	_, err = b.Stat(h)
	b.answers(protocol.NotFound, err)
	b.empty()
}

func putRecompress(t *testing.T, b *Bed) {
	b.start()
	plain := Text(1, 5000)
	h, body := protocol.HashOf(plain), Zstd(t, plain, zstd.WithEncoderCRC(false))
	c, err := b.Put(t.Context(), store.PutRequest{Hash: h, Version: at(1), Body: body, Zstd: true, PlainSize: len(plain)})
	b.answers(0, err)
	b.holds(h, plain, 1)
	if int(c.PlainSize) != len(plain) || c.StoredSize == 0 {
		t.Fatalf("claim %+v", c)
	}
	blk, err := b.Get(t.Context(), h)
	b.answers(0, err)
	defer blk.Close()
	stored, err := blk.Stored(nil)
	b.answers(0, err)
	var head zstd.Header
	if err := head.Decode(stored); err != nil || !head.HasCheckSum {
		t.Fatalf("stored frame %+v, %v: wants a checksum", head, err)
	}
}

func notRegistered(t *testing.T, b *Bed) {
	b.start()
	plain := Text(1, 100)
	h := b.put(plain, 3, 3)
	b.stop()
	s := b.open()
	_, err := s.Put(t.Context(), store.PutRequest{Hash: h, Body: plain, PlainSize: -1})
	b.answers(protocol.NotRegistered, err)
	_, err = s.Touch(t.Context(), h, at(4))
	b.answers(protocol.NotRegistered, err)
	_, err = s.Delete(t.Context(), h, at(4))
	b.answers(protocol.NotRegistered, err)
	b.Store = s
	b.holds(h, plain, 3)
	if s.Cluster() != Cluster || s.Identity().IsZero() {
		t.Fatalf("cluster %s, identity %s", s.Cluster(), s.Identity())
	}
}

func adoptOnce(t *testing.T, b *Bed) {
	s := b.open()
	if !s.Cluster().IsZero() {
		t.Fatalf("a new disk names cluster %s", s.Cluster())
	}
	b.answers(protocol.InvalidArgument, s.Adopt(protocol.ID{}, Node, 1, []uint32{0}))
	b.answers(protocol.InvalidArgument, s.Adopt(Cluster, Node, 1, nil))
	b.Store = s
	b.start()
	b.answers(protocol.WrongCluster, b.Adopt(protocol.ID{0xc2}, Node, 2, []uint32{0}))
	b.answers(0, b.Adopt(Cluster, Node+1, 2, []uint32{5}))
	c, err := b.Put(t.Context(), store.PutRequest{Hash: protocol.HashOf(nil), PlainSize: 0})
	b.answers(0, err)
	if c.Incarnation != 2 || c.Disk != 5 {
		t.Fatalf("claim %+v speaks for an earlier start", c)
	}
	b.stop()
	other := func() protocol.ID { return protocol.ID{0xc2} }
	_, err = store.Open(store.Config{Dirs: b.Disks, Cluster: other})
	b.answers(protocol.WrongCluster, err)
}

func canceledEarly(t *testing.T, b *Bed) {
	b.start()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Put(ctx, store.PutRequest{Hash: protocol.HashOf(nil), PlainSize: 0})
	b.answers(protocol.Canceled, err)
	_, err = b.Get(ctx, protocol.HashOf(nil))
	b.answers(protocol.Canceled, err)
	b.empty()
}
