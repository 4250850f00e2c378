package state_test

import (
	"fmt"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// plant writes what no rule of this build can bring about yet: the watermark, or
// a block record in any phase. The counters are taken anew and the machine is
// opened again.
//
//	plant watermark=1.7
//	plant A phase=condemned floor=1.7 pending=1,2
//	plant A phase=none
func (s *scenario) plant(a *arguments) string {
	cluster, err := state.ClusterRow(s.m.table)
	s.fail(err)
	if _, ok := a.get("watermark"); ok {
		cluster.Watermark = s.version(a, "watermark")
	}
	if version, ok := a.get("present"); ok {
		cluster.Counter = s.parseVersion(version).Counter
	}
	if len(a.words) > 0 {
		hash := protocol.HashOf([]byte(a.word(0)))
		s.blocksNamed(a.words[:1])
		if phase, _ := a.get("phase"); phase == "none" {
			s.fail(s.m.table.Write([]state.Mutation{{Key: state.KeyBlock(hash[:]), Delete: true}}))
		} else {
			s.write(state.KeyBlock(hash[:]), s.plantedBlock(a))
		}
	}
	s.write(state.KeyCluster(), cluster)
	cluster.Counters, err = state.Recount(s.m.table)
	s.fail(err)
	s.write(state.KeyCluster(), cluster)
	s.m.Machine, err = state.Open(s.m.table)
	s.fail(err)
	s.m.check()
	return "planted\n"
}

func (s *scenario) plantedBlock(a *arguments) *record.Block {
	b := &record.Block{Floor: s.version(a, "floor"), PlainSize: 100, StoredSize: 60}
	switch a.text("phase") {
	case "unreferenced":
		b.Phase = record.Block_UNREFERENCED
	case "condemned":
		b.Phase = record.Block_CONDEMNED
	}
	b.Copies, b.Drops = s.heldOf(a, "copies"), s.heldOf(a, "drops")
	for _, node := range a.list("pending") {
		var n uint32
		fmt.Sscan(node, &n)
		b.Pending = append(b.Pending, n)
	}
	return b
}

func (s *scenario) heldOf(a *arguments, key string) []*record.Held {
	var out []*record.Held
	for _, text := range a.list(key) {
		node, version, _ := strings.Cut(text, "@")
		held := &record.Held{}
		fmt.Sscan(node, &held.Node)
		at := s.parseVersion(version)
		held.Generation, held.Counter = at.Generation, at.Counter
		out = append(out, held)
	}
	return out
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
	zones := make([]string, len(l.Nodes)+1)
	distinct := map[string]bool{}
	for _, n := range l.Nodes {
		zones[n.Node] = n.Zone
		distinct[n.Zone] = true
	}
	counts := make([]int, len(l.Nodes)+1)
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
