package state_test

import (
	"fmt"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Objects and ended objects are named, in pages of any size, each once.
func TestHolders(t *testing.T) {
	m := bootstrapped(t, 3)
	commit := func(name string, texts ...string) {
		t.Helper()
		m.must(&record.Command{Body: &record.Command_Commit{Commit: &pb.CommitRequest{
			Bucket: "bucket", Name: name, Size: uint64(100 * len(texts)), Blocks: blocksOf(texts...),
			Claims: claimsOf(len(texts), m.Version(), 1, 2, 3),
		}}})
	}
	for i := range 5 {
		commit(fmt.Sprint("other", i), "b")
	}
	commit("twice", "a", "b", "a")
	commit("gone", "a")
	m.must(&record.Command{Body: &record.Command_Delete{Delete: &pb.DeleteRequest{Bucket: "bucket", Items: []*pb.DeleteItem{{Name: "gone"}}}}})
	for _, limit := range []int{1, 2, 3, 100} {
		found := map[string]uint64{}
		var after []byte
		for rows := 0; ; {
			page, err := state.Holders(m.table, protocol.HashOf([]byte("a")), after, limit)
			if err != nil || page.Scanned > limit {
				t.Fatalf("looked at %d rows, %v", page.Scanned, err)
			}
			for _, h := range page.Holders {
				found[h.Kind+" "+h.Name] += h.References
			}
			if rows += page.Scanned; page.Next == nil {
				if rows != 7 {
					t.Errorf("pages of %d: %d rows in all", limit, rows)
				}
				break
			}
			after = page.Next
		}
		if len(found) != 2 || found["object twice"] != 2 || found["ended object "] != 1 {
			t.Errorf("pages of %d: %v", limit, found)
		}
	}
}
