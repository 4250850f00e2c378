package store_test

import (
	"syscall"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable/crashfs"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/storetest"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// A disk whose files cannot be reached for want of file descriptors has not failed:
// a put is refused, whatever it could not do, and the next one stores. What lies
// aside is gone with the next Open.
func TestNoFileDescriptorIsNoFault(t *testing.T) {
	for _, verb := range []crashfs.Verb{crashfs.VerbCreate, crashfs.VerbMkdir, crashfs.VerbRename} {
		t.Run(string(verb), func(t *testing.T) {
			disk := crashfs.New(crashfs.Config{Capacity: 1 << 30})
			open := func() *store.Store {
				s, err := store.Open(store.Config{Dirs: []store.Dir{{Path: "disk", FS: disk}}})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			s := open()
			if err := s.Adopt(storetest.Cluster, storetest.Node, 1, []uint32{0}); err != nil {
				t.Fatal(err)
			}
			put := func(block int) error {
				plain := crashBlocks[block]
				_, err := s.Put(t.Context(), store.PutRequest{Hash: protocol.HashOf(plain), Version: version(9), Body: plain, PlainSize: -1})
				return err
			}
			met := false
			disk.SetHook(func(op crashfs.Op) *crashfs.Fault {
				met = met || op.Verb == verb
				if met && (op.Verb == verb || op.Verb == crashfs.VerbRemove) {
					return &crashfs.Fault{Err: syscall.EMFILE}
				}
				return nil
			})
			if err := put(0); protocol.KindOf(err) != protocol.Disk || !met {
				t.Fatalf("met %v: %v", met, err)
			}
			disk.SetHook(nil)
			if err := s.Disks()[0].Failure; err != nil {
				t.Fatal(err)
			}
			for _, block := range []int{0, 1} {
				if err := put(block); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open()
			defer s.Close()
			if aside, err := disk.ReadDir("tmp"); err != nil || len(aside) > 0 {
				t.Fatalf("%v, %v", aside, err)
			}
		})
	}
}
