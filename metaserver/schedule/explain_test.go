package schedule_test

import (
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func (b *bed) explained(text, want string) {
	b.tb.Helper()
	got, err := schedule.Explain(b.table, b.observe(), hashOf(text))
	if err != nil || !strings.Contains(got, want) {
		b.tb.Errorf("explained as %q, %v; want %q", got, err, want)
	}
}

func TestExplainEachPhase(t *testing.T) {
	b := newBed(t, 3, func(s *record.Settings) { s.GraceMs = 5000 })
	b.explained("a", "no record of it is kept")
	b.put("a", 1, 2)
	b.explained("a", "2 of 3 trusted copies stand; it is due now")
	b.down[3] = true
	b.explained("a", "these nodes do not answer: 3")
	b.down[1], b.down[2] = true, true
	b.explained("a", "no node that holds it answers: 1, 2")
	clear(b.down)
	b.rounds(5)
	b.explained("a", "it is live and whole")
	b.delete("a")
	b.explained("a", "its grace ends, in 5s")
	b.now += 5000
	for _, c := range b.plan(b.observe()).Commands {
		b.must(c)
	}
	b.explained("a", "node 1 has to delete its file; it is due now")
	b.down[2] = true
	b.explained("a", "node 2 has to delete its file, but node 2 does not answer")
	b.rounds(5)
	clear(b.down)
	b.must(&record.Command{Body: &record.Command_OpenSession{OpenSession: &record.OpenSession{Session: id("session", 1)}}})
	b.carry(b.observe(), 2, b.plan(b.observe()).Orders[0].Orders)
	b.explained("a", "every node has deleted it")
	b.must(&record.Command{Body: &record.Command_CloseSession{CloseSession: &record.CloseSession{Session: id("session", 1)}}})
	b.rounds(5)
	b.explained("a", "no record of it is kept")
}

func TestExplainFailuresAndOrdersUnderWay(t *testing.T) {
	b, at := condemned(t)
	obs := b.observe()
	b.settle(obs, 1, []*pb.Order{deleteOf("a", at)}, []*pb.OrderAnswer{{
		Id: 1, Outcome: pb.Outcome_OUTCOME_FAILED, Kind: uint32(protocol.Disk), Detail: "the disk is broken",
	}})
	b.explained("a", "it failed 1 times, last with disk (the disk is broken); the next try is in")
	obs.InFlight = []schedule.Ref{{Hash: hashOf("a"), Node: 1}}
	got, err := schedule.Explain(b.table, obs, hashOf("a"))
	if err != nil || !strings.Contains(got, "node 1 has to delete its file and was ordered to") {
		t.Errorf("explained as %q, %v", got, err)
	}
}

func TestPlanPrints(t *testing.T) {
	b := newBed(t, 3)
	b.put("a", 1, 2)
	b.put("b", 1, 2, 3)
	b.delete("b")
	h := hashOf("a")
	p := b.plan(b.observe())
	want := "node 3 at n3: copy " + h.String() + " at " + b.m.Version().String() + " from "
	lines := p.Lines()
	if len(lines) != 2 || !strings.HasPrefix(lines[0], want) || lines[1] != "log: condemn 1 blocks" || p.String() != strings.Join(lines, "\n") {
		t.Errorf("printed %q, want %q first", lines, want)
	}
}
