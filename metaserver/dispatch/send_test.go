package dispatch

import (
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestBackoffDoubles(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 4: 8 * time.Second, 9: 30 * time.Second, 1000: 30 * time.Second} {
		if got := backoff(failures, time.Second, 30*time.Second); got != want {
			t.Errorf("after %d failures: %v, want %v", failures, got, want)
		}
	}
}

func TestTroubledByTheNodeNotTheBlock(t *testing.T) {
	sent := []*pb.Order{{Id: 1, Kind: pb.OrderKind_ORDER_KIND_DELETE}, {Id: 2, Kind: pb.OrderKind_ORDER_KIND_COPY}}
	failed := func(id uint64, k protocol.Kind) []*pb.OrderAnswer {
		return []*pb.OrderAnswer{{Id: id, Outcome: pb.Outcome_OUTCOME_FAILED, Kind: uint32(k)}}
	}
	for _, tc := range []struct {
		id   uint64
		kind protocol.Kind
		want bool
	}{{1, protocol.Busy, true}, {1, protocol.Disk, false}, {1, protocol.Unavailable, true}, {2, protocol.Unavailable, false}, {2, protocol.NotRegistered, true}, {0, protocol.Busy, false}, {7, protocol.Busy, false}} {
		if got := troubled(sent, failed(tc.id, tc.kind)); got != tc.want {
			t.Errorf("order %d failed with %s: troubled is %v", tc.id, tc.kind, got)
		}
	}
}
