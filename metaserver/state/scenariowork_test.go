package state_test

import (
	"fmt"
	"math"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// work makes the commands of reclamation: blocks are words, and what else an item
// says are pairs that hold for all of them.
func (s *scenario) work() map[string]func(*arguments) *record.Command {
	return map[string]func(*arguments) *record.Command{
		"condemn": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_Condemn{Condemn: &record.Condemn{Hashes: s.blocksNamed(a.words).Hashes}}}
		},
		"drop": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_Drop{Drop: &record.Drop{Items: s.items(a, nil)}}}
		},
		"lost": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_Lost{Lost: &record.Lost{Items: s.items(a, s.version(a, "u"))}}}
		},
		"deleted": s.deleted,
		"reap": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_Reap{Reap: &record.Reap{Upto: s.version(a, "upto"), Hashes: s.blocksNamed(a.words).Hashes}}}
		},
		"remove": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_RemoveNode{RemoveNode: &record.RemoveNode{Node: uint32(a.number("node", 0)), AcceptLoss: a.text("loss") == "accepted"}}}
		},
		"clean": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_CleanNode{CleanNode: &record.CleanNode{
				Node: uint32(a.number("node", 0)), Cursor: s.blocksNamed(a.list("cursor")).Hashes, Count: uint32(a.number("count", state.MaxBatch)),
			}}}
		},
		"reindex": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_Reindex{Reindex: &record.Reindex{
				Cursor: s.blocksNamed(a.list("cursor")).Hashes, Count: uint32(a.number("count", state.MaxBatch)),
			}}}
		},
		"generation": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_StartGeneration{StartGeneration: &record.StartGeneration{
				Generation: uint32(a.number("start", 0)), PausedClasses: uint32(a.number("paused", 0)),
			}}}
		},
		"inventory": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_InventoryTaken{InventoryTaken: &record.InventoryTaken{Node: uint32(a.number("node", 0)), Due: s.version(a, "due")}}}
		},
		"postpone": s.postpone,
		"retry":    s.retry,
	}
}

func (s *scenario) items(a *arguments, v *pb.Version) []*record.NodeBlock {
	var items []*record.NodeBlock
	node := uint32(a.number("node", 0))
	for _, name := range a.words {
		items = append(items, &record.NodeBlock{Hash: s.blocksNamed([]string{name}).Hashes, Node: node, Version: v})
	}
	return items
}

// deleted: node=N t=VERSION, and kept=VERSION for a file that stayed.
func (s *scenario) deleted(a *arguments) *record.Command {
	q := &record.Deleted{}
	for _, order := range s.items(a, s.version(a, "t")) {
		item := &record.DeletedItem{Order: order}
		if _, kept := a.get("kept"); kept {
			item.Kept = &pb.Ack{
				Hash: order.Hash, Node: order.Node, Incarnation: a.number("incarnation", s.incarnation(order.Node)),
				Ack: a.number("ack", 0), Version: s.version(a, "kept"), PlainSize: 100, StoredSize: 60,
			}
		}
		q.Items = append(q.Items, item)
	}
	return &record.Command{Body: &record.Command_Deleted{Deleted: q}}
}

func (s *scenario) postpone(a *arguments) *record.Command {
	q := &record.Postpone{}
	like := record.PostponeItem{
		Class: uint32(a.number("class", 0)), Lane: uint32(a.number("lane", 0)), IfAttempts: uint32(a.number("attempts", 0)),
		DueUnixMs: int64(a.number("due", 0)), Cause: uint32(a.number("cause", 0)), Detail: a.text("detail"),
	}
	for _, name := range a.words {
		q.Items = append(q.Items, &record.PostponeItem{
			Class: like.Class, Lane: like.Lane, Hash: s.blocksNamed([]string{name}).Hashes,
			IfAttempts: like.IfAttempts, DueUnixMs: like.DueUnixMs, Cause: like.Cause, Detail: like.Detail,
		})
	}
	return &record.Command{Body: &record.Command_Postpone{Postpone: q}}
}

func (s *scenario) retry(a *arguments) *record.Command {
	return &record.Command{Body: &record.Command_RetryNow{RetryNow: &record.RetryNow{
		Class: uint32(a.number("class", 0)), Hash: s.blocksNamed(a.words).Hashes, Limit: uint32(a.number("limit", 0)),
	}}}
}

// schedule prints the rows of the schedule index, or those due by now=.
func (s *scenario) schedule(a *arguments) string {
	now := int64(a.number("now", math.MaxInt64))
	out := ""
	for class := state.ClassRedundancy; class <= state.ClassScrub; class++ {
		lanes, err := state.Lanes(s.m.table, class)
		s.fail(err)
		for _, lane := range lanes {
			rows, err := state.Due(s.m.table, class, lane, now, state.Place{}, 1000)
			s.fail(err)
			for _, w := range rows {
				out += s.printWork(w)
			}
		}
	}
	if out == "" {
		return "nothing\n"
	}
	return out
}

func (s *scenario) printWork(w state.DueWork) string {
	classes := []string{"", "redundancy", "move", "delete", "condemn", "reap", "scrub"}
	out := fmt.Sprintf("%s lane %d block %s", classes[w.Class], w.Lane, s.name(w.Hash[:]))
	if w.DueUnixMs != 0 {
		out += fmt.Sprintf(" due %d", w.DueUnixMs)
	}
	if w.Attempts != 0 {
		out += fmt.Sprintf(" failed %d %s %q", w.Attempts, protocol.Kind(w.Cause), w.Detail)
	}
	return out + "\n"
}

// critical prints how many blocks each node is critical for, and which.
func (s *scenario) critical(*arguments) string {
	nodes, err := state.Nodes(s.m.table)
	s.fail(err)
	out := ""
	for i, n := range nodes {
		blocks, _, _, err := state.CriticalBlocks(s.m.table, uint32(i+1), protocol.Hash{}, 1000)
		s.fail(err)
		var names []string
		for _, h := range blocks {
			names = append(names, s.name(h[:]))
		}
		out += fmt.Sprintf("node %d: %d [%s]\n", i+1, n.CriticalBlocks, strings.Join(names, " "))
	}
	return out
}

func (s *scenario) lowWater(*arguments) string {
	w, err := state.SessionsLowWater(s.m.table)
	s.fail(err)
	out := fmt.Sprintf("%s of %d open", w.Lowest, w.Open)
	if w.Uploading > 0 {
		out += fmt.Sprintf(", %s of %d uploading", w.OfUploading, w.Uploading)
	}
	return out + "\n"
}

// serving tells whether the metadata was found to be rolled back.
func (s *scenario) serving(*arguments) string {
	if err := state.Serving(s.m.table); err != nil {
		return problem(err)
	}
	return "yes\n"
}

// cleaning tells how far the mentions of removed nodes are cleaned.
func (s *scenario) cleaning(*arguments) string {
	nodes, err := state.Nodes(s.m.table)
	s.fail(err)
	out := ""
	for i, n := range nodes {
		switch {
		case n.State != pb.NodeState_NODE_STATE_REMOVED:
		case n.Cleaned:
			out += fmt.Sprintf("node %d is cleaned\n", i+1)
		default:
			out += fmt.Sprintf("node %d is cleaned up to [%s]\n", i+1, s.names(n.CleanCursor))
		}
	}
	return out
}

// wanted prints the nodes that the layout wants a block on.
func (s *scenario) wanted(a *arguments) string {
	i, err := state.BlockInfo(s.m.table, &pb.BlockInfoRequest{Hash: s.blocksNamed(a.words).Hashes})
	s.fail(err)
	return fmt.Sprintln(i.Wanted)
}

// clock sets the proposer's wall clock.
func (s *scenario) clock(a *arguments) string {
	_, err := fmt.Sscan(a.word(0), &s.now)
	s.fail(err)
	return ""
}

// backup keeps the table as it is, and restore puts it back, log index included.
func (s *scenario) backup(*arguments) string {
	s.saved = rowsAsWritten(s)
	return ""
}

func (s *scenario) restore(*arguments) string {
	memory := table.NewMemory()
	s.fail(memory.Write(s.saved))
	s.m.table = memory
	s.reopen()
	s.m.index, _ = s.m.Applied()
	return ""
}

func rowsAsWritten(s *scenario) (rows []state.Mutation) {
	s.fail(s.m.table.Scan([]byte{0}, nil, func(key, value []byte) bool {
		rows = append(rows, state.Mutation{Key: append([]byte(nil), key...), Value: append([]byte(nil), value...)})
		return true
	}))
	return rows
}

// reopen continues on the same table, without the same rules.
func (s *scenario) reopen() {
	var err error
	s.m.Machine, err = state.OpenWithout(s.m.table, s.without...)
	s.fail(err)
}

func (s *scenario) write(key []byte, row interface{ MarshalVT() ([]byte, error) }) {
	value, err := row.MarshalVT()
	s.fail(err)
	s.fail(s.m.table.Write([]state.Mutation{{Key: key, Value: value}}))
}

// layout tells how often each node is among the first R of a partition, and
// whether those share a zone although there are enough zones.
func (s *scenario) layout(*arguments) string {
	l, err := state.Layout(s.m.table)
	s.fail(err)
	last := 0
	for _, n := range l.Nodes {
		last = max(last, int(n.Node))
	}
	zones := make([]string, last+1)
	distinct := map[string]bool{}
	for _, n := range l.Nodes {
		zones[n.Node] = n.Zone
		distinct[n.Zone] = true
	}
	counts := make([]int, last+1)
	shared := 0
	for at := 0; at < len(l.Table); at += int(l.Width) {
		seen := map[string]bool{}
		wanted := l.Table[at : at+int(min(l.Width, l.Redundancy))]
		for _, node := range wanted {
			counts[node]++
			seen[zones[node]] = true
		}
		if len(seen) < min(len(wanted), len(distinct)) {
			shared++
		}
	}
	return fmt.Sprintf("layout %d width %d wanted %v partitions that waste a zone %d\n", l.LayoutVersion, l.Width, counts[1:], shared)
}

func (s *scenario) status(*arguments) string {
	st, err := state.Status(s.m.table)
	s.fail(err)
	out := fmt.Sprintf("version %s index %d term %d R %d Q %d W %s F %s\n", v(st.Version), st.AppliedIndex, st.Term, st.Redundancy, st.Quorum, v(st.Watermark), v(st.FirstOfGeneration))
	for _, m := range st.Members {
		out += fmt.Sprintf("member %s %s\n", m.Id, m.ClientAddress)
	}
	return out
}
