package embedded

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// TestLateRegister: the request of an older start of a blockserver is applied after
// that of the present one, and shows fewer acknowledgements than the log knows of.
// The node learns of it, registers anew, and its inventory is taken.
func TestLateRegister(t *testing.T) {
	cfg := quick(t.TempDir())
	cfg.Metaservers = 1
	c := start(t, cfg)
	cl := open(t, c)
	// So many that this node is among those whose acknowledgements were committed.
	for i := range 20 {
		content := strings.Repeat(fmt.Sprint("before and after ", i), 20_000)
		if _, err := cl.Put(t.Context(), "bucket", fmt.Sprint(i), strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	var marker struct{ Disk, Identity protocol.ID }
	raw, err := os.ReadFile(filepath.Join(c.BlockDir(0), "data", "ashlar-disk.json"))
	if err == nil {
		err = json.Unmarshal(raw, &marker)
	}
	if err != nil {
		t.Fatal(err)
	}
	peer := rpc.NewClient(rpc.ClientConfig{Cluster: cl.Cluster()})
	defer peer.Close()
	var answer pb.RegisterAnswer
	if err := peer.Call(t.Context(), c.Endpoints()[0], protocol.PathNodeRegister, &pb.RegisterRequest{
		Identity: marker.Identity[:], Address: c.BlockEndpoints()[0], Zone: "zone-1", Start: []byte("an older start.."),
		Disks: []*pb.DiskInfo{{Disk: marker.Disk[:], CapacityBytes: 1 << 30}},
	}, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Node != uint32(c.NodeOf(0)) || answer.Incarnation != 2 || !answer.InventoryDue {
		t.Fatalf("the late request was answered %v", &answer)
	}
	healed := func() bool {
		status, err := cl.Status(t.Context())
		if err != nil {
			return false
		}
		for _, n := range status.GetNodes() {
			if n.GetNode() == answer.Node {
				return n.GetIncarnation() == 3 && !n.GetSuspect() && uint32(c.NodeOf(0)) == answer.Node
			}
		}
		return false
	}
	if !eventually(time.Minute, healed) {
		status, err := cl.Status(t.Context())
		t.Fatalf("the node does not come back: %v, %v", status.GetNodes(), err)
	}
}

func eventually(patience time.Duration, done func() bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if done() {
			return true
		}
	}
	return done()
}
