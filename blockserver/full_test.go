package blockserver

import (
	"net/http"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// A node at its high watermark answers 507 to puts, then to copies too; what it
// has is read, touched and deleted, and below the low mark it takes blocks again.
func TestFullNode(t *testing.T) {
	t.Parallel()
	n := startReady(t, func(c *Config) {
		c.Data[0].Capacity = 1 << 20
		c.Marks = store.Marks{High: 80, Low: 40, Reserve: 20}
	})
	from := startReady(t)
	block := func(i int) []byte { return noise(uint64(i), 50_000) }
	size := 0
	var refusal answer
	for refusal.Response == nil {
		if a := n.do(http.MethodPut, pathOf(block(size)), block(size), protocol.HeaderVersion, "1.20"); a.StatusCode == http.StatusCreated {
			size++
		} else {
			refusal = a
		}
	}
	n.wantKind(refusal, protocol.Full)
	if d := n.Status().GetDisks()[0]; size < 11 || size > 13 || !d.GetFull() {
		t.Fatalf("%d blocks of a twentieth were taken below 60%%; %v", size, d)
	}
	n.wantNoLease()
	if a := n.do(http.MethodPut, pathOf(block(0)), block(0), protocol.HeaderVersion, "1.25"); a.StatusCode != http.StatusCreated {
		t.Errorf("a block that is here: %d %s", a.StatusCode, a.body)
	}
	for i := 100; ; i++ {
		h := from.put(block(i), "1.20")
		a := n.order(copyOrder(h, 30, from.Addr()))
		if a.GetOutcome() == held {
			size++
			continue
		}
		if a.GetOutcome() != failed || protocol.Kind(a.GetKind()) != protocol.Full {
			t.Errorf("a copy beyond the high mark: %v", a)
		}
		break
	}
	if size < 15 || size > 17 {
		t.Errorf("%d blocks of a twentieth were taken below 80%%", size)
	}
	for i := range 10 {
		n.wantOutcome(deleteOrder(protocol.HashOf(block(i)), 40), none, 0)
	}
	if d := n.Status().GetDisks()[0]; d.GetFull() {
		t.Errorf("below the low mark: %v", d)
	}
	n.put(block(0), "1.50")
}
