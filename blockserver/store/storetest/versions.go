package storetest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func versionOnlyGrows(t *testing.T, b *Bed) {
	b.start()
	plain := Text(1, 100)
	h := b.put(plain, 5, 5)
	b.put(plain, 3, 5)
	for _, step := range []struct{ touch, want uint64 }{{4, 5}, {5, 5}, {6, 6}, {9, 9}, {8, 9}, {10, 10}} {
		c, err := b.Touch(t.Context(), h, at(step.touch))
		b.answers(0, err)
		if c.Version != at(step.want) {
			t.Fatalf("touch at %d answers %s, want %d", step.touch, c.Version, step.want)
		}
		b.holds(h, plain, step.want)
	}
	b.start()
	b.holds(h, plain, 10)
	c, err := b.Touch(t.Context(), h, at(2))
	b.answers(0, err)
	if c.Version != at(10) || c.StoredSize == 0 || int(c.PlainSize) != len(plain) {
		t.Fatalf("touch after a start answers %+v", c)
	}
	b.put(plain, 12, 12)
	if b.HighestSeen() != at(12) {
		t.Fatalf("highest seen %s", b.HighestSeen())
	}
	generation := protocol.Version{Generation: 2, Counter: 1}
	c, err = b.Touch(t.Context(), h, generation)
	b.answers(0, err)
	b.start()
	if c.Version != generation || b.HighestSeen() != generation {
		t.Fatalf("a new generation: kept %s, seen %s", c.Version, b.HighestSeen())
	}
}

func acksAreCounted(t *testing.T, b *Bed) {
	b.start()
	plain := Text(1, 100)
	h := protocol.HashOf(plain)
	for want := uint64(1); want <= 6; want++ {
		c, err := b.Put(t.Context(), store.PutRequest{Hash: h, Version: at(want / 2), Body: plain, PlainSize: -1})
		b.answers(0, err)
		if c.Ack != want || b.Store.Disks()[0].Acks != want {
			t.Fatalf("acknowledgement %d, count %d, want %d", c.Ack, b.Store.Disks()[0].Acks, want)
		}
		if want == 3 {
			b.start()
		}
	}
	_, err := b.Touch(t.Context(), protocol.HashOf(nil), at(1))
	b.answers(protocol.NotFound, err)
	if acks := b.Store.Disks()[0].Acks; acks != 6 {
		t.Fatalf("a refusal was counted: %d", acks)
	}
}

func deleteBelow(t *testing.T, b *Bed) {
	b.start()
	plain := Text(1, 100)
	h := b.put(plain, 5, 5)
	for _, below := range []uint64{1, 4, 5} {
		got, err := b.Delete(t.Context(), h, at(below))
		b.answers(0, err)
		if !got.Kept || got.Version != at(5) {
			t.Fatalf("delete below %d: %+v", below, got)
		}
	}
	b.holds(h, plain, 5)
	for range 2 {
		got, err := b.Delete(t.Context(), h, at(6))
		b.answers(0, err)
		if got.Kept {
			t.Fatalf("kept at %s", got.Version)
		}
		_, err = b.Get(t.Context(), h)
		b.answers(protocol.NotFound, err)
		b.empty()
	}
	b.start()
	b.empty()
	b.put(plain, 7, 7)
	b.start()
	b.holds(h, plain, 7)
}

// oneLockPerHash has many hands on few blocks: whatever the order, no version
// goes back, and a delete never takes what is at its version or above.
func oneLockPerHash(t *testing.T, b *Bed) {
	b.start()
	blocks := [][]byte{Text(1, 2000), Random(2, 2000), Text(3, 10)}
	var hands sync.WaitGroup
	problems := make(chan string, 64)
	for hand := range 8 {
		hands.Go(func() {
			for round := range 12 {
				plain := blocks[(hand+round)%len(blocks)]
				if problem := b.hand(plain, uint64(hand+round*8+1)); problem != "" {
					problems <- problem
					return
				}
			}
		})
	}
	hands.Wait()
	close(problems)
	for problem := range problems {
		t.Error(problem)
	}
	b.clean()
	b.start()
	for i, plain := range blocks {
		b.put(plain, uint64(1000+i), uint64(1000+i))
		b.holds(protocol.HashOf(plain), plain, uint64(1000+i))
	}
}

// hand stores, touches, reads and deletes a block around version v.
func (b *Bed) hand(plain []byte, v uint64) string {
	ctx, h := b.t.Context(), protocol.HashOf(plain)
	c, err := b.Put(ctx, store.PutRequest{Hash: h, Version: at(v), Body: plain, PlainSize: len(plain)})
	if err != nil || c.Version.Less(at(v)) {
		return fmt.Sprintf("put at %d: %+v, %v", v, c, err)
	}
	if c, err = b.Touch(ctx, h, at(v+1)); err == nil && c.Version.Less(at(v+1)) {
		return fmt.Sprintf("touch at %d: %+v", v+1, c)
	}
	if kind := protocol.KindOf(err); kind != 0 && kind != protocol.NotFound {
		return fmt.Sprintf("touch at %d: %v", v+1, err)
	}
	if blk, err := b.Get(ctx, h); err == nil {
		if _, err := blk.Plain(nil); err != nil {
			return fmt.Sprintf("plain: %v", err)
		}
		_ = blk.Close()
	}
	got, err := b.Delete(ctx, h, at(v))
	if err != nil || (got.Kept && got.Version.Less(at(v))) {
		return fmt.Sprintf("delete below %d: %+v, %v", v, got, err)
	}
	return ""
}
