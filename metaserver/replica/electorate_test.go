package replica

import (
	"slices"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// TestElectorate: whether a leader still leads is asked of voters only. One that
// reaches nobody but a member without a vote has no majority, however well that
// one answers.
func TestElectorate(t *testing.T) {
	servers := []raft.Server{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "watching", Suffrage: raft.Nonvoter}}
	voters := func() []raft.Server { return servers }
	others, need, err := (&rounds{id: "a", voters: voters}).electorate()
	if err != nil || need != 1 || !slices.Equal(others, servers[1:3]) {
		t.Errorf("asks %v for %d answers, error %v", others, need, err)
	}
	if _, _, err := (&rounds{id: "watching", voters: voters}).electorate(); protocol.KindOf(err) != protocol.NotLeader {
		t.Errorf("a member without a vote: %v", err)
	}
}
