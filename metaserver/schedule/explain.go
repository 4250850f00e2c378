package schedule

import (
	"fmt"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Explain names, for people, the one thing that a block waits for.
func Explain(r state.Reader, obs Observation, h protocol.Hash) (string, error) {
	pic, err := look(r)
	if err != nil {
		return "", err
	}
	obs.Limits = obs.Limits.withDefaults()
	p := &planner{picture: pic, obs: obs}
	p.openBatches()
	b, found, err := state.BlockRow(r, h)
	if err != nil {
		return "", err
	}
	if !found {
		return "nothing: no record of it is kept", nil
	}
	switch b.Phase {
	case record.Block_LIVE:
		return p.explainLive(h, b)
	case record.Block_UNREFERENCED:
		return p.explainRow(h, state.ClassCondemn, 0, "nothing refers to it; it is to be condemned")
	case record.Block_CONDEMNED:
		return p.explainCondemned(h, b)
	}
	return "", nil
}

func (p *planner) explainLive(h protocol.Hash, b *record.Block) (string, error) {
	if want := p.redundancy(b); p.trustedCopies(b) < want {
		w, ok, err := state.WorkOf(p.r, h, state.ClassRedundancy, uint32(len(b.Copies)))
		if err != nil {
			return "", err
		}
		text := fmt.Sprintf("%d of %d trusted copies stand", p.trustedCopies(b), want)
		if !ok {
			return text + "; copies that are not trusted are looked at when their nodes' inventories are taken", nil
		}
		for _, node := range p.candidates(b, w) {
			if p.obs.inFlight(h, node) {
				return fmt.Sprintf("%s; node %d was ordered to copy it", text, node), nil
			}
		}
		if len(p.sourcesOf(&p.obs, b, 0, 0)) == 0 || !p.anyAnswers(p.candidates(b, w)) {
			return text + "; " + p.whyNoCopy(b, w), nil
		}
		return p.explainRow(h, state.ClassRedundancy, w.Lane, text)
	}
	if b.Moving > 0 {
		return p.explainMove(h, b)
	}
	for _, d := range b.Drops {
		return p.explainDelete(h, d.Node, "a surplus copy was dropped")
	}
	if s := p.placing.StandingOf(h[:], b); !s.InLine() {
		return p.explainUnmarked(b, &s)
	}
	return "nothing: it is live and whole", nil
}

func (p *planner) anyAnswers(nodes []uint32) bool {
	for _, node := range nodes {
		if n := p.obs.node(node); n != nil && n.Reachable {
			return true
		}
	}
	return false
}

// explainCondemned names a node that does not answer before one that does.
func (p *planner) explainCondemned(h protocol.Hash, b *record.Block) (string, error) {
	var members []uint32
	for _, node := range b.Pending {
		if !p.member(node) {
			continue
		}
		if p.whyNoDelete(node) != "" {
			return p.explainDelete(h, node, "it is condemned")
		}
		members = append(members, node)
	}
	if len(members) > 0 {
		return p.explainDelete(h, members[0], "it is condemned")
	}
	upto, why, err := p.reapLimit()
	if err == nil && upto.Less(versionOf(b.Floor)) {
		return "every node has deleted it; its record waits: " + why, nil
	}
	if err != nil {
		return "", err
	}
	return p.explainRow(h, state.ClassReap, 0, "every node has deleted it; its record is to be reaped")
}

func (p *planner) explainDelete(h protocol.Hash, node uint32, text string) (string, error) {
	text += fmt.Sprintf("; node %d has to delete its file", node)
	if why := p.whyNoDelete(node); why != "" {
		return text + ", but " + why, nil
	}
	if p.obs.inFlight(h, node) {
		return text + " and was ordered to", nil
	}
	return p.explainRow(h, state.ClassDelete, node, text)
}

// explainRow tells what a row of the schedule waits for.
func (p *planner) explainRow(h protocol.Hash, class, lane uint32, text string) (string, error) {
	w, ok, err := state.WorkOf(p.r, h, class, lane)
	switch {
	case err != nil:
		return "", err
	case !ok:
		return text + ", but the schedule has no row for it", nil
	case p.paused(class):
		return text + ", but the class " + ClassName(class) + " is paused", nil
	}
	if w.Attempts > 0 {
		text += fmt.Sprintf("; it failed %d times, last with %s", w.Attempts, protocol.Kind(w.Cause))
		if w.Detail != "" {
			text += " (" + w.Detail + ")"
		}
	}
	switch {
	case !p.putOff(w):
		return text + "; it is due now", nil
	case class == state.ClassCondemn && w.Attempts == 0:
		return text + " when its grace ends, in " + p.in(w), nil
	}
	return text + "; the next try is in " + p.in(w), nil
}
