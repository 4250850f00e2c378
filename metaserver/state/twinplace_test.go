package state_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// The twin's half of nodes, layout and sweeps. Which nodes a table names is not
// its business (package placement has tests of its own); what follows from a
// table is.

const (
	joining     = pb.NodeState_NODE_STATE_JOINING
	up          = pb.NodeState_NODE_STATE_UP
	down        = pb.NodeState_NODE_STATE_DOWN
	maintenance = pb.NodeState_NODE_STATE_MAINTENANCE
	draining    = pb.NodeState_NODE_STATE_DRAINING
	drained     = pb.NodeState_NODE_STATE_DRAINED
)

type twinSweep struct {
	state, cursor       string
	cause, node, layout uint64
	seen, marked        int
	walked              bool
}

type twinLayout struct {
	version uint64
	state   string
}

// away: the node's copies do not count for placement.
func (w *twin) away(node uint32) bool {
	n := w.nodes[node]
	return w.member(node) && (n.away || n.state == draining || n.state == drained)
}

// targets are the first R places whose nodes are not away.
func (w *twin) targets(hash string) (out []uint32) {
	redundancy := w.redundancyOf(w.blocks[hash])
	for _, node := range w.places(hash, redundancy) {
		if !w.away(node) && len(out) < redundancy {
			out = append(out, node)
		}
	}
	return out
}

// mark is what a live block's mark would be: 0 in line, else one and the copies on
// nodes that count. elsewhere tells whether a copy stands where it should not.
func (w *twin) mark(hash string) (mark int, elsewhere bool) {
	b, targets := w.blocks[hash], w.targets(hash)
	lacking, counting := false, 0
	for _, node := range targets {
		lacking = lacking || b.copies[node] == 0 && len(b.copies) > 0
	}
	for node := range b.copies {
		if w.member(node) && !w.away(node) {
			counting++
		}
		if w.member(node) && !w.nodes[node].away && !slices.Contains(targets, node) {
			elsewhere = true
		}
	}
	if !lacking && (!elsewhere || len(targets) < w.redundancyOf(b)) {
		return 0, elsewhere
	}
	return 1 + counting, elsewhere
}

// rejudge looks at a block that a command has changed, with the redundancy and the
// copies that it had.
func (w *twin) rejudge(hash string, had [2]int) {
	b := w.blocks[hash]
	if b.refs == 0 {
		b.moving = 0
		return
	}
	mark, elsewhere := w.mark(hash)
	onAway := false
	for node := range b.copies {
		onAway = onAway || w.away(node)
	}
	s := w.running()
	swept := s != nil && (s.walked || hash <= s.cursor)
	r := w.redundancyOf(b)
	surplus := len(b.copies) > r && (had[0] == 0 || r < had[0] || len(b.copies) > had[1])
	if b.moving > 0 || onAway || elsewhere && swept || surplus {
		b.moving = mark
	}
}

func (w *twin) running() *twinSweep {
	if n := len(w.sweeps); n > 0 && w.sweeps[n-1].state == "RUNNING" {
		return w.sweeps[n-1]
	}
	return nil
}

func (w *twin) startSweep(cause, node uint64) {
	if s := w.running(); s != nil {
		s.state = "SUPERSEDED"
	}
	present := w.layouts[len(w.layouts)-1].version
	if len(w.blocks) == 0 {
		w.retireLayouts(present)
		return
	}
	w.sweeps = append(w.sweeps, &twinSweep{state: "RUNNING", cause: cause, node: node, layout: present})
}

func (w *twin) retireLayouts(version uint64) {
	for i := range w.layouts {
		if w.layouts[i].version < version {
			w.layouts[i].state = "retired"
		}
	}
}

// settleSweep ends a sweep of which nothing is left.
func (w *twin) settleSweep() {
	s := w.running()
	if s == nil || !s.walked {
		return
	}
	for _, b := range w.blocks {
		if b.moving > 0 {
			return
		}
	}
	s.state = "DONE"
	w.retireLayouts(s.layout)
}

// newLayout files the one before, if blocks may stand by it.
func (w *twin) newLayout() {
	last := &w.layouts[len(w.layouts)-1]
	next := twinLayout{last.version + 1, "current"}
	if last.state = "moving"; len(w.blocks) == 0 {
		w.layouts = w.layouts[:len(w.layouts)-1]
	}
	w.layouts = append(w.layouts, next)
	w.layouts = w.layouts[max(0, len(w.layouts)-17):]
}

func (w *twin) runPlacement(c *record.Command) string {
	switch body := c.Body.(type) {
	case *record.Command_ChangeLayout:
		return w.changeLayout(body.ChangeLayout)
	case *record.Command_SetNodeState:
		return w.setNodeState(body.SetNodeState)
	case *record.Command_SweepStep:
		return w.sweepStep(body.SweepStep)
	case *record.Command_MoveSettled:
		return w.moveSettled(body.MoveSettled)
	case *record.Command_CancelSweep:
		return w.cancelSweep(body.CancelSweep)
	}
	return "?"
}

func placedOn(s pb.NodeState) bool { return s == up || s == down || s == maintenance }

func (w *twin) changeLayout(q *record.ChangeLayout) string {
	if q.IfLayoutVersion != w.layouts[len(w.layouts)-1].version {
		return w.say(protocol.Changed)
	}
	after := map[uint32]pb.NodeState{}
	for node, n := range w.nodes {
		after[node] = n.state
	}
	drains := false
	for _, c := range q.Changes {
		if !w.member(c.Node) {
			return w.say(protocol.NotFound)
		}
		was := after[c.Node]
		allowed := true
		switch c.Kind {
		case pb.NodeChange_ADD:
			allowed, after[c.Node] = was == joining, up
		case pb.NodeChange_DRAIN:
			drains = true
			allowed, after[c.Node] = placedOn(was), draining
		case pb.NodeChange_CANCEL_DRAIN:
			allowed, after[c.Node] = was == draining || was == drained, up
		}
		if !allowed {
			return w.say(protocol.PreconditionFailed)
		}
	}
	left := 0
	for node, state := range after {
		if w.member(node) && placedOn(state) && !w.nodes[node].away {
			left++
		}
	}
	if drains && left < w.highest() {
		return w.say(protocol.PreconditionFailed)
	}
	if strings.Trim(string(q.TableDigest), "\x00") == "" {
		return w.say(protocol.Changed)
	}
	for node, n := range w.nodes {
		n.away = n.away && n.state == after[node]
		n.state = after[node]
	}
	w.next()
	w.newLayout()
	if len(q.Changes) == 0 {
		w.startSweep(4, 0)
	} else {
		w.startSweep(1, 0)
	}
	return w.say(0)
}

// held counts a node's copies, and the deletes that it owes.
func (w *twin) held(node uint32) (copies, owed int) {
	for _, b := range w.blocks {
		if b.copies[node] > 0 {
			copies++
		}
		if b.drops[node] > 0 {
			owed++
		}
		if slices.Contains(b.pending, node) {
			owed++
		}
	}
	return copies, owed
}

// mayStop: nobody else is away from work or holds copies without being up, and no
// block would miss the node.
func (w *twin) mayStop(node uint32) protocol.Kind {
	for id, n := range w.nodes {
		if id != node && (n.state == down || n.state == maintenance) && !n.removed {
			return protocol.PreconditionFailed
		}
		if copies, _ := w.held(id); id != node && n.state != up && !n.removed && copies > 0 {
			return protocol.PreconditionFailed
		}
	}
	for id, n := range w.nodes {
		if id != node && (!n.removed && n.due > 0 || n.removed && !n.cleaned) {
			return protocol.Unavailable
		}
	}
	if w.critical(node) > 0 {
		return protocol.PreconditionFailed
	}
	return 0
}

func (w *twin) setNodeState(q *record.SetNodeState) string {
	n := w.nodes[q.Node]
	if n == nil {
		return w.say(protocol.NotFound)
	}
	was := n.state
	if n.removed {
		was = pb.NodeState_NODE_STATE_REMOVED
	}
	if q.IfState != was || q.IfIncarnation != n.incarnation {
		return w.say(protocol.Changed)
	}
	kind := protocol.PreconditionFailed
	copies, owed := w.held(q.Node)
	switch {
	case was == down && q.State == down && q.Away && !n.away:
		kind = 0
	case q.Away:
	case was == up && q.State == down, was == down && q.State == up, was == maintenance && q.State == up:
		kind = 0
	case was == draining && q.State == drained && copies+owed == 0:
		kind = 0
	case was == up && q.State == maintenance && q.AcceptRisk:
		kind = 0
	case was == up && q.State == maintenance:
		kind = w.mayStop(q.Node)
	}
	if kind != 0 {
		return w.say(kind)
	}
	w.next()
	before := n.away
	n.state, n.away = q.State, q.Away
	if q.Away {
		w.startSweep(2, uint64(q.Node))
	} else if before {
		w.startSweep(3, uint64(q.Node))
	}
	return w.say(0)
}

func (w *twin) sweepStep(q *record.SweepStep) string {
	s := w.running()
	if s == nil || q.Sweep != uint64(len(w.sweeps)) || s.walked || s.cursor != string(q.Cursor) {
		return w.effect(0, 1, false)
	}
	applied := 0
	for _, hash := range sortedKeys(w.blocks) {
		b := w.blocks[hash]
		if hash <= s.cursor {
			continue
		}
		if mark, _ := w.mark(hash); b.refs > 0 && mark != b.moving {
			if applied == int(q.Count) {
				return w.effect(applied, 0, true)
			}
			if applied++; b.moving == 0 {
				s.marked++
			}
			b.moving = mark
		}
		s.seen++
		s.cursor = hash
	}
	s.walked, s.cursor = true, ""
	return w.effect(applied, 0, true)
}

func (w *twin) moveSettled(q *record.MoveSettled) string {
	return w.each(len(q.Hashes)/32, func(i int) bool {
		hash := string(q.Hashes[32*i : 32*i+32])
		b := w.blocks[hash]
		if b == nil || b.moving == 0 {
			return false
		}
		mark, _ := w.mark(hash)
		changed := mark != b.moving
		b.moving = mark
		return changed
	})
}

func (w *twin) cancelSweep(q *record.CancelSweep) string {
	last := uint64(len(w.sweeps))
	switch {
	case q.Sweep == 0 || q.Sweep > last:
		return w.say(protocol.NotFound)
	case w.running() == nil || q.Sweep < last:
		return w.say(protocol.PreconditionFailed)
	}
	w.running().state = "CANCELED"
	w.next()
	return w.say(0)
}

func (w *twin) printPlacement(out *strings.Builder) {
	for i := len(w.sweeps) - 1; i >= max(0, len(w.sweeps)-33); i-- {
		s := w.sweeps[i]
		if i == len(w.sweeps)-33 && w.running() == nil {
			break
		}
		fmt.Fprintf(out, "sweep %d %s cause %d node %d layout %d at %x walked %v seen %d marked %d\n", i+1, s.state, s.cause, s.node, s.layout, s.cursor, s.walked, s.seen, s.marked)
	}
	for i := len(w.layouts) - 1; i >= 0; i-- {
		fmt.Fprintf(out, "layout %d %s\n", w.layouts[i].version, w.layouts[i].state)
	}
	for node := range uint32(someNodes + 1) {
		silent := w.mayGo(node)
		answering := silent
		if copies, _ := w.held(node); w.member(node) && copies > 0 {
			answering = protocol.PreconditionFailed
		}
		fmt.Fprintf(out, "node %d may go: %v, while it answers %v\n", node, silent, answering)
	}
}
