package state

import (
	"encoding/binary"
	"fmt"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// maxLayouts bounds the layouts before the present one that are kept.
const maxLayouts = 16

// fileLayout keeps a layout that is replaced, under its version, and forgets the
// oldest one.
func (a *applier) fileLayout(l *record.Layout) {
	a.store(keyLayoutAt(l.LayoutVersion), l)
	filed, err := filedLayouts(a)
	a.fail(err)
	for len(filed) > maxLayouts {
		a.delete(keyLayoutAt(filed[0]))
		filed = filed[1:]
	}
}

// filedLayouts lists the versions that are kept, ascending.
func filedLayouts(r Reader) (versions []uint64, err error) {
	prefix := []byte{tableLayouts}
	err = r.Scan(prefix, keysAbove(prefix), func(key, _ []byte) bool {
		versions = append(versions, binary.BigEndian.Uint64(key[1:]))
		return true
	})
	return versions, err
}

// retireLayouts takes down that no block stands by a layout below version any more.
func (a *applier) retireLayouts(version uint64) {
	filed, err := filedLayouts(a)
	a.fail(err)
	for _, v := range filed {
		row := &record.Layout{}
		if v < version && a.load(keyLayoutAt(v), row) && row.Retired == nil {
			row.Retired = toPB(a.version())
			a.store(keyLayoutAt(v), row)
		}
	}
}

// LayoutHistory lists the layouts that are known, newest first: the present one,
// those that blocks may still stand by, and those that are retired.
func LayoutHistory(r Reader) (*pb.LayoutHistoryAnswer, error) {
	present, err := LayoutRow(r)
	if err != nil {
		return nil, err
	}
	out := &pb.LayoutHistoryAnswer{Layouts: []*pb.LayoutEvent{layoutEvent(present, "current")}}
	filed, err := filedLayouts(r)
	for i := len(filed) - 1; i >= 0 && err == nil; i-- {
		row := &record.Layout{}
		if _, err = load(r, keyLayoutAt(filed[i]), row); err != nil {
			break
		}
		state := "moving"
		if row.Retired != nil {
			state = "retired"
		}
		out.Layouts = append(out.Layouts, layoutEvent(row, state))
	}
	return out, err
}

func layoutEvent(l *record.Layout, state string) *pb.LayoutEvent {
	reason := l.Reason
	switch l.Cause {
	case LayoutJoined:
		reason = "the cluster was made"
		if l.Node > 0 {
			reason = fmt.Sprintf("node %d came to a cluster without blocks", l.Node)
		}
	case LayoutRemoved:
		reason = fmt.Sprintf("node %d was removed", l.Node)
	case LayoutRedundancy:
		reason = "the redundancy changed"
	}
	return &pb.LayoutEvent{
		LayoutVersion: l.LayoutVersion, AppliedUnixMs: l.AppliedUnixMs, Reason: reason, Changes: l.Changes, State: state,
		Applied: l.Applied, Retired: l.Retired,
	}
}
