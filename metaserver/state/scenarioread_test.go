package state_test

import (
	"fmt"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// reads answer a line from the table, or arrange something.
func (s *scenario) reads() map[string]func(*arguments) string {
	return map[string]func(*arguments) string{
		"entry": func(*arguments) string { s.gather = true; return "" },
		"apply": s.applyHeld,
		"raw":   s.raw,
		"block": s.block,
		"object": func(a *arguments) string {
			return s.lookup(&pb.LookupRequest{Bucket: bucketOf(a), Name: a.word(0), StatOnly: true})
		},
		"lookup": func(a *arguments) string {
			q := &pb.LookupRequest{Bucket: bucketOf(a), Name: a.word(0), Offset: a.number("offset", 0), Length: a.number("length", 0)}
			if _, given := a.get("if"); given {
				q.IfVersion = s.version(a, "if")
			}
			return s.lookup(q)
		},
		"list":     s.list,
		"prepare":  s.prepare,
		"counters": s.counters,
		"jobs":     s.jobs,
		"sessions": s.sessions,
		"nodes":    s.nodes,
		"layout":   s.layout,
		"status":   s.status,
		"schedule": s.schedule,
		"wanted":   s.wanted,
		"cleaning": s.cleaning,
		"critical": s.critical,
		"lowwater": s.lowWater,
		"serving":  s.serving,
		"clock":    s.clock,
		"prefixes": s.prefixes,
		"audit":    s.audit,
		"as":       func(a *arguments) string { s.request = a.word(0); return "" },
		"backup":   s.backup,
		"restore":  s.restore,
	}
}

func (s *scenario) fail(err error) {
	s.m.tb.Helper()
	if err != nil {
		s.m.tb.Fatal(err)
	}
}

func (s *scenario) applyHeld(*arguments) string {
	results := s.m.apply(s.held...)
	s.held, s.gather = nil, false
	var out strings.Builder
	for _, r := range results {
		out.WriteString(s.printResult(r))
	}
	return out.String()
}

// raw applies bytes that are no entry.
func (s *scenario) raw(a *arguments) string {
	s.m.index++
	results, err := s.m.Apply(s.m.index, 1, []byte(a.word(0)))
	s.fail(err)
	s.m.check()
	return s.printResult(results[0])
}

func v(p *pb.Version) string {
	return protocol.Version{Generation: p.GetGeneration(), Counter: p.GetCounter()}.String()
}

// name prints a hash by the name that the scenario gave to it.
func (s *scenario) name(hash []byte) string {
	for _, b := range s.blocks {
		if h := protocol.HashOf([]byte(b)); string(h[:]) == string(hash) {
			return b
		}
	}
	return fmt.Sprintf("%x", hash[:4])
}

func (s *scenario) names(packed []byte) string {
	var out []string
	for ; len(packed) > 0; packed = packed[protocol.HashSize:] {
		out = append(out, s.name(packed[:protocol.HashSize]))
	}
	return strings.Join(out, ",")
}

func (s *scenario) printResult(r *record.Result) string {
	out := "ok " + v(r.Version)
	if r.Kind != 0 {
		out = protocol.Kind(r.Kind).String() + " " + v(r.Version)
	}
	switch body := r.Body.(type) {
	case *record.Result_Commit:
		if body.Commit.Replaced {
			out += " replaced " + v(body.Commit.ReplacedVersion)
		}
		if len(body.Commit.Refused) > 0 {
			out += " refused " + s.names(body.Commit.Refused)
		}
	case *record.Result_Delete:
		for _, k := range body.Delete.Kinds {
			out += " " + protocol.Kind(k).String()
		}
		out += trashDue(body.Delete.TrashDueUnixMs)
	case *record.Result_Undelete:
		out += undeleted(body.Undelete)
	case *record.Result_EmptyTrash:
		out += fmt.Sprintf(" applied %d ignored %d bytes %d", body.EmptyTrash.Applied, body.EmptyTrash.Ignored, body.EmptyTrash.Bytes)
	case *record.Result_Register:
		out += fmt.Sprintf(" node %d incarnation %d", body.Register.Node, body.Register.Incarnation)
		if body.Register.InventoryDue {
			out += " inventory due"
		}
	case *record.Result_Copied:
		out += fmt.Sprintf(" counted %d", body.Copied.Counted)
	case *record.Result_Unreference:
		out += fmt.Sprintf(" applied %d stale %d", body.Unreference.Applied, body.Unreference.Stale)
	case *record.Result_PrefixStep:
		out += printPrefixStep(body.PrefixStep)
	case *record.Result_Effect:
		out += fmt.Sprintf(" applied %d ignored %d", body.Effect.Applied, body.Effect.Ignored)
	case *record.Result_Digest:
		s.lastMark = body.Digest
		out += " mark " + v(body.Digest.Mark)
	}
	if r.Kind != 0 && strings.HasPrefix(r.Detail, "as answered") {
		out += " (as before)"
	}
	return out + "\n"
}

func (s *scenario) block(a *arguments) string {
	h := protocol.HashOf([]byte(a.word(0)))
	i, err := state.BlockInfo(s.m.table, &pb.BlockInfoRequest{Hash: h[:]})
	s.fail(err)
	out := fmt.Sprintf("%s refs %d%s floor %s", i.Phase, i.References, askedFor(i), v(i.Floor))
	return out + s.held2("copies", i.Copies) + s.held2("drops", i.Drops) + pending(i.Pending) + "\n"
}

// askedFor tells which redundancies references ask for, unless all ask for the
// cluster's, and R.
func askedFor(i *pb.BlockInfoAnswer) (out string) {
	for r, count := range i.ReferencesByRedundancy {
		if count > 0 {
			out += fmt.Sprintf(" %dx%d", count, r)
		}
	}
	if out == "" {
		return ""
	}
	return fmt.Sprintf(" (%s) of redundancy %d", out[1:], i.Redundancy)
}

func pending(nodes []uint32) string {
	if len(nodes) == 0 {
		return ""
	}
	return fmt.Sprintf(" pending %v", nodes)
}

func (s *scenario) held2(what string, copies []*pb.BlockCopy) string {
	if len(copies) == 0 {
		return ""
	}
	out := " " + what
	for _, c := range copies {
		out += fmt.Sprintf(" %d@%s", c.Node, v(c.Version))
		if !c.Trusted {
			out += "(suspect)"
		}
	}
	return out
}

func problem(err error) string {
	return protocol.KindOf(err).String() + "\n"
}

func (s *scenario) lookup(q *pb.LookupRequest) string {
	answer, err := state.Lookup(s.m.table, q)
	if err != nil {
		return problem(err)
	}
	o := answer.Object
	out := fmt.Sprintf("%s size %d at %s", o.Name, o.Size, v(o.Version))
	if q.StatOnly {
		return out + fmt.Sprintf(" blocks %d\n", o.BlockCount)
	}
	if len(answer.Inline) > 0 {
		return out + fmt.Sprintf(" inline %q\n", answer.Inline)
	}
	out += fmt.Sprintf(" from %d: %s", answer.FirstOffset, s.names(answer.Blocks.GetHashes()))
	for _, c := range answer.Copies {
		out += fmt.Sprintf(" %d:%d", c.Block, c.Node)
		if !c.Trusted {
			out += "(suspect)"
		}
	}
	if answer.More {
		out += " more"
	}
	return out + "\n"
}

func (s *scenario) list(a *arguments) string {
	q := &pb.ListRequest{Prefix: a.text("prefix"), Delimiter: a.text("delimiter"), After: a.text("after"), Limit: uint32(a.number("limit", 0))}
	if len(a.words) > 0 {
		q.Bucket = a.word(0)
	}
	answer, err := state.List(s.m.table, q)
	if err != nil {
		return problem(err)
	}
	out := ""
	for _, p := range answer.Prefixes {
		out += "prefix " + p + "\n"
	}
	for _, o := range answer.Objects {
		out += fmt.Sprintf("object %s %d bytes at %s\n", o.Name, o.Size, v(o.Version))
	}
	if answer.Next != "" {
		out += "next " + answer.Next + "\n"
	}
	if out == "" {
		return "nothing\n"
	}
	return out
}

func (s *scenario) prepare(a *arguments) string {
	answer, err := state.Prepare(s.m.table, &pb.PrepareRequest{Hashes: s.blocksNamed(a.words).Hashes})
	s.fail(err)
	out := v(answer.Version)
	for i, live := range answer.Live {
		out += fmt.Sprintf(" %s:%v", a.words[i], live)
	}
	return out + "\n"
}

// counters prints those that are not zero.
func (s *scenario) counters(*arguments) string {
	status, err := state.Status(s.m.table)
	s.fail(err)
	byCopies := fmt.Sprintf(" referenced by copies %v\n", status.Counters.ReferencedByCopies)
	if asked := status.Counters.ReferencesByRedundancy; asked[0] < status.Counters.References {
		byCopies = fmt.Sprintf(" asking for %v%s", asked, byCopies)
	}
	status.Counters.ReferencesByRedundancy = nil
	status.Counters.ReferencedByCopies = nil
	// The audit has a verb of its own, and grows with every command.
	status.Counters.AuditRows, status.Counters.AuditBytes = 0, 0
	return strings.Join(strings.Fields(fmt.Sprint(status.Counters)), " ") + byCopies
}

func (s *scenario) jobs(*arguments) string {
	jobs, err := state.Jobs(s.m.table, 100)
	s.fail(err)
	out := ""
	for _, j := range jobs {
		out += fmt.Sprintf("job %s cursor %d left %d\n", j.Job, j.Cursor, j.Left)
	}
	if out == "" {
		return "none\n"
	}
	return out
}

func (s *scenario) sessions(*arguments) string {
	sessions, err := state.Sessions(s.m.table, protocol.ID{}, 100)
	s.fail(err)
	out := fmt.Sprintf("%d open", len(sessions))
	for _, i := range sessions {
		out += fmt.Sprintf(", highest %d window from %d", i.Highest, i.LowestUnacked)
	}
	return out + "\n"
}

func (s *scenario) nodes(*arguments) string {
	status, err := state.Status(s.m.table)
	s.fail(err)
	out := ""
	for _, n := range status.Nodes {
		out += fmt.Sprintf("node %d %s incarnation %d capacity %d zone %q suspect %v\n", n.Node, n.Address, n.Incarnation, n.CapacityBytes, n.Zone, n.Suspect)
	}
	return out
}
