package schedule

import (
	"fmt"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// planCondemn proposes Condemn for unreferenced blocks whose grace is over.
func (p *planner) planCondemn() error {
	if p.paused(state.ClassCondemn) {
		return p.waitLane(state.ClassCondemn, 0, "the class is paused")
	}
	var packed []byte
	err := p.scan(state.ClassCondemn, 0, func(w state.DueWork) (verdict, error) {
		if len(packed) >= p.obs.Limits.Commands*p.obs.Limits.Batch*protocol.HashSize {
			return full, nil
		}
		packed = append(packed, w.Hash[:]...)
		return acted, nil
	})
	for _, hashes := range p.split(packed) {
		p.command(&record.Command{Body: &record.Command_Condemn{Condemn: &record.Condemn{Hashes: hashes}}})
	}
	return err
}

// split cuts packed hashes into batches.
func (p *planner) split(packed []byte) (out [][]byte) {
	size := p.obs.Limits.Batch * protocol.HashSize
	for ; len(packed) > size; packed = packed[size:] {
		out = append(out, packed[:size:size])
	}
	if len(packed) > 0 {
		out = append(out, packed)
	}
	return out
}

// planReap proposes Reap for condemned blocks that no node has pending, and for W
// to pass a stray's version.
func (p *planner) planReap() error {
	if p.paused(state.ClassReap) {
		return p.waitLane(state.ClassReap, 0, "the class is paused")
	}
	upto, why, err := p.reapLimit()
	if err != nil {
		return err
	}
	var packed []byte
	err = p.scan(state.ClassReap, 0, func(w state.DueWork) (verdict, error) {
		if len(packed) >= p.obs.Limits.Commands*p.obs.Limits.Batch*protocol.HashSize {
			return full, nil
		}
		b, _, err := state.BlockRow(p.r, w.Hash)
		if err != nil {
			return acted, err
		}
		if upto.Less(versionOf(b.GetFloor())) {
			p.wait(state.ClassReap, 0, 1, why)
			return blocked, nil
		}
		packed = append(packed, w.Hash[:]...)
		return acted, nil
	})
	for _, hashes := range p.split(packed) {
		p.reap(upto, hashes)
	}
	if len(packed) == 0 && p.strayWaits() {
		if p.watermark.Less(upto) {
			p.reap(upto, nil)
		} else if why != "" {
			p.wait(state.ClassReap, 0, 1, "a stray file waits for W: "+why)
		}
	}
	return err
}

func (p *planner) reap(upto protocol.Version, hashes []byte) {
	p.command(&record.Command{Body: &record.Command_Reap{Reap: &record.Reap{Upto: wire(upto), Hashes: hashes}}})
}

// strayWaits tells whether some node holds a file without a row that only a
// higher W makes deletable.
func (p *planner) strayWaits() bool {
	return !p.obs.StrayAbove.IsZero() && !p.obs.StrayAbove.Less(p.watermark)
}

// reapLimit is the highest T that may be proposed (reclamation.md, Lag of W): the
// present version while no session is open, else the lowest low-water mark of the
// open ones. Those that have said that they have no upload in flight are passed
// over as far as the version of a while ago (YoungFrom): what they began since has
// that long to be committed. An upload at exactly W is believed, so the mark
// itself may be reached.
func (p *planner) reapLimit() (upto protocol.Version, why string, err error) {
	if !p.obs.SessionsSettled {
		return p.watermark, "the leader is new and open sessions have not reported to it", nil
	}
	marks, err := state.SessionsLowWater(p.r)
	if err != nil || marks.Open == 0 {
		return p.version, "", err
	}
	upto = p.obs.YoungFrom
	if marks.Uploading > 0 && marks.OfUploading.Less(upto) {
		upto = marks.OfUploading
	}
	upto = upto.Max(marks.Lowest)
	return upto, fmt.Sprintf("%d sessions are open and may have uploads in flight from version %s on", marks.Open, upto), nil
}

// planClean takes the next steps of work that has a cursor of its own: cleaning a
// removed node's mentions, and carrying changed settings through.
func (p *planner) planClean() error {
	if p.cluster.GetIndexed() != nil {
		p.command(&record.Command{Body: &record.Command_Reindex{Reindex: &record.Reindex{
			Cursor: p.cluster.GetReindexCursor(), Count: uint32(p.obs.Limits.Batch),
		}}})
	}
	for i, n := range p.nodes {
		if isMember(n) || n.GetCleaned() {
			continue
		}
		p.command(&record.Command{Body: &record.Command_CleanNode{CleanNode: &record.CleanNode{
			Node: uint32(i + 1), Cursor: n.GetCleanCursor(), Count: uint32(p.obs.Limits.Batch),
		}}})
	}
	return nil
}
