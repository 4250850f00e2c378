package storetest

import (
	"slices"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func listInOrder(t *testing.T, b *Bed) {
	b.addDisk(0)
	b.start()
	var want []protocol.Hash
	for i := range 40 {
		want = append(want, b.put(Random(uint64(i), 20), uint64(i+1), uint64(i+1)))
	}
	slices.SortFunc(want, protocol.Hash.Compare)
	for _, limit := range []int{1, 7, 39, 40, 41, 1 << 30} {
		var got []protocol.Hash
		after, more := protocol.Hash{}, true
		for more {
			var items []store.Info
			var err error
			items, after, more, err = b.List(t.Context(), after, limit)
			b.answers(0, err)
			if len(items) > limit || (more && after != items[len(items)-1].Hash) {
				t.Fatalf("page of %d at limit %d goes on after %s", len(items), limit, after.Short())
			}
			for _, item := range items {
				got = append(got, item.Hash)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("limit %d: %d hashes, want %d in order", limit, len(got), len(want))
		}
	}
}

func listTellsStates(t *testing.T, b *Bed) {
	b.start()
	good := b.put(Text(1, 100), 1, 1)
	aside := b.put(Text(2, 100), 2, 2)
	unreadable := b.put(Text(3, 100), 3, 3)
	b.answers(0, b.Quarantine(aside))
	b.edit(0, name(unreadable), func(f []byte) []byte { return f[:10] })
	items, _, _, err := b.List(t.Context(), protocol.Hash{}, 10)
	b.answers(0, err)
	states := map[protocol.Hash]store.State{}
	for _, item := range items {
		states[item.Hash] = item.State
		if item.Hash == aside && item.Version != at(2) || item.Disk != 10 {
			t.Fatalf("item %+v", item)
		}
	}
	want := map[protocol.Hash]store.State{good: store.Good, aside: store.Quarantined, unreadable: store.Unreadable}
	for h, state := range want {
		if states[h] != state || len(states) != len(want) {
			t.Fatalf("states %v, want %v", states, want)
		}
	}
	for state, word := range map[store.State]string{store.Good: "good", store.Quarantined: "quarantined", store.Unreadable: "unreadable"} {
		if state.String() != word {
			t.Fatalf("state %d prints %q", state, state)
		}
	}
}
