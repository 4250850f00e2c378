package dispatch

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func session(id byte, highest, uses uint64) state.SessionInfo {
	return state.SessionInfo{Session: protocol.ID{id}, Highest: highest, Uses: uses}
}

func TestPlanExpiry(t *testing.T) {
	const rounds = 3
	still, busy := session(1, 4, 100), session(2, 1, 100)
	var seen map[protocol.ID]idle
	var expire []state.SessionInfo
	for round := range rounds {
		busy.Highest++
		seen, expire = planExpiry(seen, []state.SessionInfo{still, busy}, rounds)
		if len(expire) != 0 {
			t.Fatalf("round %d expires %v", round, expire)
		}
	}
	busy.Highest++
	seen, expire = planExpiry(seen, []state.SessionInfo{still, busy}, rounds)
	if len(expire) != 1 || expire[0] != still {
		t.Fatalf("expires %v, want only the one that stood still", expire)
	}
	repeated := still
	repeated.Uses++
	seen, expire = planExpiry(seen, []state.SessionInfo{repeated}, rounds)
	if len(expire) != 0 {
		t.Errorf("expires %v, which repeated a request", expire)
	}
	if len(seen) != 1 {
		t.Errorf("remembers %d sessions, one is open", len(seen))
	}
}

func TestPlanExpiryIsBounded(t *testing.T) {
	all := make([]state.SessionInfo, maxExpiries+10)
	for i := range all {
		all[i] = state.SessionInfo{Session: protocol.ID{byte(i), byte(i >> 8), 1}}
	}
	seen, _ := planExpiry(nil, all, 1)
	if _, expire := planExpiry(seen, all, 1); len(expire) != maxExpiries {
		t.Errorf("one round expires %d, want %d", len(expire), maxExpiries)
	}
}
