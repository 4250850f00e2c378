package report

import (
	"encoding/json"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestStatusKeepsItsFieldNames(t *testing.T) {
	text, err := json.Marshal(StatusOf(&pb.ClusterStatus{
		Cluster: []byte{1, 2}, Version: &pb.Version{Generation: 1, Counter: 9}, Term: 3, Redundancy: 3, Quorum: 2,
		Counters: &pb.Counters{Objects: 4, LogicalBytes: 5, LiveStoredBytes: 6, ReferencesByRedundancy: []uint64{8, 9}},
		Members:  []*pb.MetaMember{{Id: "a", Leader: true, Voter: true}, {Id: "b", Voter: true}, {Id: "c"}},
		Nodes:    []*pb.BlockNode{{Node: 1, Address: "x:1", State: pb.NodeState_NODE_STATE_UP, Reachable: true}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"cluster":"0102","version":"1.9","applied_index":0,"term":3,"watermark":"0.0","redundancy":3,"quorum":2,` +
		`"feature_level":0,"digest":"","answered_by":"","paused":[],"counters":{"objects":4,"logical_bytes":5,"stored_bytes":6,"plain_bytes":0,` +
		`"inline_bytes":0,"live_blocks":0,"references":0,"counted_copies":0,"copies_stored_bytes":0,"unreferenced_blocks":0,` +
		`"unreferenced_stored_bytes":0,"condemned_blocks":0,"condemned_stored_bytes":0,"under_replicated_blocks":0,"sessions":0,` +
		`"uploads":0,"unreference_jobs":0,"unreference_left":0,"trash_objects":0,"trash_logical_bytes":0,"trash_inline_bytes":0,"prefix_jobs":0,"audit_rows":0,"audit_bytes":0,"moving_blocks":0,"moving_stored_bytes":0,"references_by_redundancy":[8,9]},"metaservers":[` +
		`{"id":"a","client_address":"","raft_address":"","admin_address":"","role":"leader"},` +
		`{"id":"b","client_address":"","raft_address":"","admin_address":"","role":"voter"},` +
		`{"id":"c","client_address":"","raft_address":"","admin_address":"","role":"joining"}],"blockservers":[` +
		`{"node":1,"address":"x:1","zone":"","state":"up","reachable":true,"suspect":false,"capacity_bytes":0,"used_bytes":0,"incarnation":0,` +
		`"committed_bytes":0,"free_bytes":0,"full":false,"away":false}],"jobs":null}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}
