package blockserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func (n *node) touchAll(q *pb.TouchRequest) (*pb.TouchAnswer, answer) {
	n.t.Helper()
	body, err := q.MarshalVT()
	if err != nil {
		n.t.Fatal(err)
	}
	a := n.do(http.MethodPost, protocol.PathTouch, body, "Content-Type", protocol.TypeProtobuf)
	out := &pb.TouchAnswer{}
	if a.StatusCode == http.StatusOK {
		if err := out.UnmarshalVT(a.body); err != nil {
			n.t.Fatal(err)
		}
	}
	return out, a
}

func TestTouch(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	var q pb.TouchRequest
	var absent []byte
	for i := range 40 {
		plain := fmt.Appendf(nil, "block %d", i)
		h := protocol.HashOf(plain)
		q.Hashes = append(q.Hashes, h[:]...)
		if i%4 == 3 {
			absent = append(absent, h[:]...)
			continue
		}
		n.mustPut(plain)
	}
	q.Version = &pb.Version{Generation: 1, Counter: 70}
	got, a := n.touchAll(&q)
	if len(got.GetAcks()) != 30 || !bytes.Equal(got.GetAbsent(), absent) || len(got.GetFailed()) != 0 {
		t.Fatalf("%d %v", a.StatusCode, got)
	}
	for _, ack := range got.GetAcks() {
		if ack.GetVersion().GetCounter() != 70 || ack.GetNode() != 7 || ack.GetIncarnation() != 3 {
			t.Errorf("ack %v", ack)
		}
	}
	// A lower version leaves the higher one, and the answer says so.
	q.Version.Counter = 60
	if got, _ = n.touchAll(&q); len(got.GetAcks()) != 30 || got.GetAcks()[0].GetVersion().GetCounter() != 70 {
		t.Errorf("lower: %v", got.GetAcks())
	}
	if a := n.do(http.MethodHead, pathOf([]byte("block 0")), nil); a.Header.Get(protocol.HeaderVersion) != "1.70" {
		t.Errorf("kept %s", a.Header.Get(protocol.HeaderVersion))
	}
}

func TestTouchRefuses(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	_, a := n.touchAll(&pb.TouchRequest{Hashes: make([]byte, 33)})
	n.wantKind(a, protocol.InvalidArgument)
	_, a = n.touchAll(&pb.TouchRequest{Hashes: make([]byte, protocol.HashSize*(protocol.MaxTouchBatch+1))})
	n.wantKind(a, protocol.TooLarge)
	n.wantKind(n.do(http.MethodGet, protocol.PathTouch, nil), protocol.MethodNotAllowed)
	if got, a := n.touchAll(&pb.TouchRequest{}); a.StatusCode != http.StatusOK || len(got.GetAcks()) != 0 {
		t.Errorf("nothing to touch: %d", a.StatusCode)
	}
	for range maxTouches {
		n.touches <- struct{}{}
	}
	_, a = n.touchAll(&pb.TouchRequest{})
	n.wantKind(a, protocol.Busy)
	for range maxTouches {
		<-n.touches
	}
}

func TestInventory(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	want := map[protocol.Hash]int{}
	for i := range 25 {
		plain := noise(uint64(i), 100+i)
		want[protocol.HashOf(plain)] = len(plain)
		n.mustPut(plain)
	}
	var after, last protocol.Hash
	seen := 0
	for page := 0; ; page++ {
		a := n.do(http.MethodGet, fmt.Sprintf("%s?limit=10&after=%s", protocol.PathInventory, after), nil, "Accept", protocol.TypeProtobuf)
		var got pb.InventoryPage
		if err := got.UnmarshalVT(a.body); err != nil || a.StatusCode != http.StatusOK {
			t.Fatalf("%d %s %v", a.StatusCode, a.body, err)
		}
		for _, item := range got.GetItems() {
			h := protocol.Hash(item.GetHash())
			if h.Compare(last) <= 0 || want[h] != int(item.GetPlainSize()) || item.GetState() != "good" || item.GetVersion().GetCounter() != 50 {
				t.Errorf("item %v", item)
			}
			last = h
			seen++
		}
		if len(got.GetNext()) == 0 {
			break
		}
		if page > 3 {
			t.Fatal("no end")
		}
		after = protocol.Hash(got.GetNext())
	}
	if seen != len(want) {
		t.Errorf("%d of %d", seen, len(want))
	}
	var byHand map[string]any
	if a := n.do(http.MethodGet, protocol.PathInventory, nil); json.Unmarshal(a.body, &byHand) != nil || len(byHand["items"].([]any)) != 25 {
		t.Errorf("by hand: %s", a.body)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=+1", "limit=", "after=xyz", "afer=1", "limit=1&limit=2", "after=%00"} {
		n.wantKind(n.do(http.MethodGet, protocol.PathInventory+"?"+query, nil), protocol.InvalidArgument)
	}
	n.wantKind(n.do(http.MethodPost, protocol.PathInventory, nil), protocol.MethodNotAllowed)
}
