package report

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestAuditKeepsItsFieldNames(t *testing.T) {
	v := &pb.Version{Generation: 1, Counter: 9}
	text, err := json.Marshal(AuditOf(&pb.AuditRow{
		Version: v, Kind: pb.AuditKind_AUDIT_KIND_REMOVE_NODE, AtUnixMs: 1, Request: "r", Session: []byte{1}, Bucket: "b", Prefix: "p",
		Objects: []*pb.AuditObject{{Name: "n", Version: v, Ended: v}}, Hashes: []byte(strings.Repeat("\x01", 32)), Nodes: []uint32{2},
		Causes: []*pb.Version{v}, Upload: []byte{3}, AcceptLoss: true, CriticalBlocks: 4, Upto: v,
	}))
	want := `{"version":"1.9","kind":"remove-node","at_unix_ms":1,"request":"r","session":"01","bucket":"b","prefix":"p",` +
		`"objects":[{"name":"n","version":"1.9","ended":"1.9"}],"hashes":["` + strings.Repeat("01", 32) + `"],"nodes":[2],` +
		`"causes":["1.9"],"upload":"03","accept_loss":true,"critical_blocks":4,"upto":"1.9"}`
	if err != nil || string(text) != want {
		t.Errorf("got  %s\nwant %s\n%v", text, want, err)
	}
}

func TestAuditKindsAreWords(t *testing.T) {
	for i, word := range AuditKinds() {
		if kind, err := ParseAuditKind(word); err != nil || int(kind) != i+1 {
			t.Errorf("%s reads as %v, %v", word, kind, err)
		}
	}
	if _, err := ParseAuditKind("nonsense"); err == nil {
		t.Error("nonsense is a kind")
	}
}
