package store_test

import (
	"context"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable/crashfs"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/storetest"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func openOn(t *testing.T, disk *crashfs.FS) *store.Store {
	t.Helper()
	s, err := store.Open(store.Config{Dirs: []store.Dir{{Path: "disk", FS: disk}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestMeetIsDurable: a node that met a generation refuses lower orders after a
// power cut too.
func TestMeetIsDurable(t *testing.T) {
	disk := crashfs.New(crashfs.Config{})
	s := openOn(t, disk)
	if err := s.Adopt(storetest.Cluster, storetest.Node, 1, []uint32{0}); err != nil {
		t.Fatal(err)
	}
	met := protocol.Version{Generation: 7}
	if err := s.Meet(context.Background(), met); err != nil {
		t.Fatal(err)
	}
	if got := openOn(t, disk.Crash(0)).HighestSeen(); got != met {
		t.Errorf("met %s, and after a crash %s", met, got)
	}
}

// TestAdoptFollowsANewNumber: metadata restored from before the node joined gives
// its identity another number; another cluster is refused.
func TestAdoptFollowsANewNumber(t *testing.T) {
	disk := crashfs.New(crashfs.Config{})
	s := openOn(t, disk)
	for i, node := range []protocol.NodeID{3, 5} {
		if err := s.Adopt(storetest.Cluster, node, protocol.Incarnation(i+1), []uint32{0}); err != nil {
			t.Fatal(err)
		}
	}
	plain := storetest.Text(1, 100)
	c, err := s.Put(context.Background(), store.PutRequest{Hash: protocol.HashOf(plain), Version: version(1), Body: plain, PlainSize: len(plain)})
	if err != nil || c.Node != 5 || c.Incarnation != 2 {
		t.Errorf("claim %+v, %v", c, err)
	}
	again := openOn(t, disk.Crash(0))
	if err := again.Adopt(protocol.ID{9}, 5, 3, []uint32{0}); protocol.KindOf(err) != protocol.WrongCluster {
		t.Errorf("another cluster: %v", err)
	}
}
