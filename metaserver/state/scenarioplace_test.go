package state_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// placement makes the commands of nodes, layout and sweeps. What a line does not
// say is as a leader would say it now.
func (s *scenario) placement() map[string]func(*arguments) *record.Command {
	return map[string]func(*arguments) *record.Command{
		"change": s.change,
		"become": func(a *arguments) *record.Command {
			node := uint32(a.number("node", 0))
			q := &record.SetNodeState{Node: node, State: nodeState(a.word(0)), Away: a.text("away") == "yes", AcceptRisk: a.text("risk") == "accepted"}
			if n := s.nodeRow(node); n != nil {
				q.IfState, q.IfIncarnation = n.State, a.number("incarnation", n.Incarnation)
			}
			if from, said := a.get("from"); said {
				q.IfState = nodeState(from)
			}
			return &record.Command{Body: &record.Command_SetNodeState{SetNodeState: q}}
		},
		"step": func(a *arguments) *record.Command {
			number, sweep, err := state.RunningSweep(s.m.table)
			s.fail(err)
			q := &record.SweepStep{Sweep: a.number("sweep", number), Cursor: sweep.GetCursor(), Count: uint32(a.number("count", state.MaxBatch))}
			if _, said := a.get("cursor"); said {
				q.Cursor = s.blocksNamed(a.list("cursor")).Hashes
			}
			return &record.Command{Body: &record.Command_SweepStep{SweepStep: q}}
		},
		"settled": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_MoveSettled{MoveSettled: &record.MoveSettled{Hashes: s.blocksNamed(a.words).Hashes}}}
		},
		"cancel": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_CancelSweep{CancelSweep: &record.CancelSweep{Sweep: a.number("sweep", 0)}}}
		},
		"fill":        s.fill,
		"acknowledge": s.acknowledge,
		"trim":        s.trim,
	}
}

func nodeState(word string) pb.NodeState {
	return pb.NodeState(pb.NodeState_value["NODE_STATE_"+strings.ToUpper(word)])
}

func (s *scenario) nodeRow(id uint32) *record.Node {
	nodes, err := state.Nodes(s.m.table)
	s.fail(err)
	if id == 0 || int(id) > len(nodes) {
		return nil
	}
	return nodes[id-1]
}

// changes: add=1,2 drain=3 undrain=4 weight=1:500 zone=2:east.
func changesOf(a *arguments) (out []*pb.NodeChange) {
	number := func(text string) uint64 {
		n, _ := strconv.ParseUint(text, 10, 64)
		return n
	}
	for _, verb := range []struct {
		word string
		kind pb.NodeChange_Kind
	}{
		{"add", pb.NodeChange_ADD},
		{"drain", pb.NodeChange_DRAIN},
		{"undrain", pb.NodeChange_CANCEL_DRAIN},
		{"weight", pb.NodeChange_WEIGHT},
		{"zone", pb.NodeChange_ZONE},
		{"nothing", pb.NodeChange_NONE},
	} {
		for _, text := range a.list(verb.word) {
			node, rest, _ := strings.Cut(text, ":")
			c := &pb.NodeChange{Node: uint32(number(node)), Kind: verb.kind}
			switch verb.kind {
			case pb.NodeChange_WEIGHT:
				c.Weight = number(rest)
			case pb.NodeChange_ZONE:
				c.Zone = rest
			}
			out = append(out, c)
		}
	}
	return out
}

// change is planned now, or as layout= and digest= say.
func (s *scenario) change(a *arguments) *record.Command {
	q := &record.ChangeLayout{Changes: changesOf(a), Algorithm: uint32(a.number("algorithm", state.LayoutAlgorithm)), Reason: a.text("reason"), TableDigest: make([]byte, protocol.HashSize)}
	cluster, err := state.ClusterRow(s.m.table)
	s.fail(err)
	q.IfLayoutVersion = a.number("layout", cluster.LayoutVersion)
	if plan, err := state.PlanLayout(s.m.table, q.Changes); err == nil && a.text("digest") == "" {
		q.TableDigest = plan.TableDigest
	}
	return &record.Command{Body: &record.Command_ChangeLayout{ChangeLayout: q}}
}

// standing is how a block's copies compare with the placement.
func (s *scenario) standing(name string) (hash []byte, standing state.Standing) {
	hash = s.blocksNamed([]string{name}).Hashes
	b, ok, err := state.BlockRow(s.m.table, protocol.Hash(hash))
	s.fail(err)
	p, err := state.PlacingOf(s.m.table)
	s.fail(err)
	if ok {
		standing = p.StandingOf(hash, b)
	}
	return hash, standing
}

// fill has every node that lacks a copy claim one; trim drops those elsewhere.
func (s *scenario) fill(a *arguments) *record.Command {
	q := &pb.ClaimsRequest{Blocks: s.blocksNamed(a.words)}
	for i, name := range a.words {
		_, standing := s.standing(name)
		for _, node := range standing.Lacking {
			q.Claims = append(q.Claims, s.claim(uint32(i), fmt.Sprint(node)))
		}
	}
	return &record.Command{Body: &record.Command_Copied{Copied: q}}
}

func (s *scenario) trim(a *arguments) *record.Command {
	q := &record.Drop{}
	for _, name := range a.words {
		hash, standing := s.standing(name)
		for _, node := range standing.Elsewhere {
			q.Items = append(q.Items, &record.NodeBlock{Hash: hash, Node: node})
		}
	}
	return &record.Command{Body: &record.Command_Drop{Drop: q}}
}

// acknowledge has a node acknowledge every delete that it owes.
func (s *scenario) acknowledge(a *arguments) *record.Command {
	q := &record.Deleted{}
	node := uint32(a.number("node", 0))
	owed, err := state.Due(s.m.table, state.ClassDelete, node, 0, state.Place{}, state.MaxBatch)
	s.fail(err)
	for _, w := range owed {
		b, _, err := state.BlockRow(s.m.table, w.Hash)
		s.fail(err)
		order := &record.NodeBlock{Hash: w.Hash[:], Node: node, Version: b.Floor}
		for _, d := range b.Drops {
			if d.Node == node {
				order.Version = &pb.Version{Generation: d.Generation, Counter: d.Counter}
			}
		}
		q.Items = append(q.Items, &record.DeletedItem{Order: order})
	}
	return &record.Command{Body: &record.Command_Deleted{Deleted: q}}
}

// placementReads answer about nodes, layouts and sweeps.
func (s *scenario) placementReads() map[string]func(*arguments) string {
	return map[string]func(*arguments) string{
		"members": s.members,
		"history": s.history,
		"sweeps":  s.sweeps,
		"plan":    s.plan,
		"stop":    s.stop,
		"go":      s.mayGo,
		"refusal": func(a *arguments) string {
			_, err := state.PlanLayout(s.m.table, changesOf(a))
			return protocol.AsError(err).Detail + "\n"
		},
		"standing": s.printStanding,
	}
}

func (s *scenario) members(*arguments) string {
	infos, err := state.NodeInfos(s.m.table, true)
	s.fail(err)
	out := ""
	for _, i := range infos {
		out += fmt.Sprintf("node %d %s since %d zone %q weight %d places %d copies %d of %d owes %d critical %d", i.Node.Node, state.StateName(i.Node.State),
			i.StateSinceUnixMs, i.Node.Zone, i.Weight, i.Places, i.Copies, i.CopiesStoredBytes, i.OwedDeletes, i.CriticalBlocks)
		if i.Away {
			out += " away"
		}
		if i.LeftBlocks > 0 {
			out += fmt.Sprintf(" left %d of %d", i.LeftBlocks, i.LeftBytes)
		}
		out += "\n"
	}
	return out
}

func printChanges(changes []*pb.NodeChange) (out string) {
	for _, c := range changes {
		out += fmt.Sprintf(" %s %d", strings.ToLower(c.Kind.String()), c.Node)
		if c.Weight > 0 || c.Zone != "" {
			out += fmt.Sprintf(":%d%s", c.Weight, c.Zone)
		}
	}
	return out
}

func (s *scenario) history(*arguments) string {
	h, err := state.LayoutHistory(s.m.table)
	s.fail(err)
	out := ""
	for _, l := range h.Layouts {
		out += fmt.Sprintf("layout %d %s, applied %s at %d, %q%s", l.LayoutVersion, l.State, v(l.Applied), l.AppliedUnixMs, l.Reason, printChanges(l.Changes))
		if l.Retired != nil {
			out += " retired " + v(l.Retired)
		}
		out += "\n"
	}
	return out
}

func (s *scenario) sweeps(*arguments) string {
	sweeps, err := state.Sweeps(s.m.table)
	s.fail(err)
	out := ""
	for _, w := range sweeps {
		out += fmt.Sprintf("sweep %d %s cause %d node %d layout %d seen %d of %d marked %d of %d bytes", w.Number, strings.ToLower(w.State.String()), w.Cause, w.Node,
			w.LayoutVersion, w.BlocksSeen, w.BlocksTotal, w.BlocksMarked, w.BytesMarked)
		switch {
		case w.Ended != nil:
			out += fmt.Sprintf(" from %s to %s", v(w.Started), v(w.Ended))
		case w.Walked:
			out += " walked"
		case len(w.Cursor) > 0:
			out += " at " + s.name(w.Cursor)
		}
		out += "\n"
	}
	if out == "" {
		return "none\n"
	}
	return out
}

func (s *scenario) plan(a *arguments) string {
	p, err := state.PlanLayout(s.m.table, changesOf(a))
	if err != nil {
		return problem(err)
	}
	out := fmt.Sprintf("layout %d algorithm %d moves %d places, %d blocks, %d bytes; zones %d restored %v\n", p.LayoutVersion, p.Algorithm, p.MovedPlaces, p.MovedBlocks, p.MovedBytes, p.Zones, p.Restored)
	for _, sh := range p.Shares {
		out += fmt.Sprintf("node %d zone %q capacity %d: %d places %d bytes, then %d and %d\n", sh.Node, sh.Zone, sh.CapacityBytes, sh.PlacesBefore, sh.BytesBefore, sh.PlacesAfter, sh.BytesAfter)
	}
	return out
}

// stop answers whether a node may stop now.
func (s *scenario) stop(a *arguments) string {
	if err := state.StopCheck(s.m.table, uint32(a.number("node", 0))); err != nil {
		return problem(err)
	}
	return "yes\n"
}

// mayGo answers, with the words, whether a node may be removed without accepting a
// loss: while it is silent, or answers=yes.
func (s *scenario) mayGo(a *arguments) string {
	if err := state.RemoveCheck(s.m.table, uint32(a.number("node", 0)), a.text("answers") == "yes"); err != nil {
		return problem(err) + protocol.AsError(err).Detail + "\n"
	}
	return "yes\n"
}

func (s *scenario) printStanding(a *arguments) string {
	out := ""
	for _, name := range a.words {
		_, st := s.standing(name)
		out += fmt.Sprintf("%s wanted on %d, lacking %d, elsewhere %d, counting %d, in line %v\n", name, len(st.Targets), len(st.Lacking), len(st.Elsewhere), st.Counting, st.InLine())
	}
	return out
}
