package state_test

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// TestSessionOfNoOpening: no call belongs to a session that was open when its
// servers came to keep openings; nor is it opened anew. It expires as ever.
func TestSessionOfNoOpening(t *testing.T) {
	m := bootstrapped(t, 3)
	opened := m.must(openSession("session")).Version
	damaged{t, m.table.(*table.Memory)}.session(func(s *record.Session) { s.Opened = nil })
	q := &pb.CommitRequest{Bucket: "bucket", Name: "name"}
	for _, tc := range []struct {
		opened *pb.Version
		kind   protocol.Kind
	}{{opened, protocol.SessionExpired}, {&pb.Version{}, protocol.InvalidArgument}, {nil, protocol.InvalidArgument}} {
		q.Call = &pb.Call{Session: id("session"), Opened: tc.opened, Sequence: 1}
		if r := m.one(commitCommand(q)); protocol.Kind(r.Kind) != tc.kind {
			t.Errorf("opened at %v: %s: %s", tc.opened, protocol.Kind(r.Kind), r.Detail)
		}
	}
	if r := m.one(openSession("session")); protocol.Kind(r.Kind) != protocol.PreconditionFailed {
		t.Errorf("opened again: %s: %s", protocol.Kind(r.Kind), r.Detail)
	}
	m.must(&record.Command{Body: &record.Command_CloseSession{CloseSession: &record.CloseSession{Session: id("session"), Expire: true}}})
}
