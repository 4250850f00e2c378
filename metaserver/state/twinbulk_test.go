package state_test

import (
	"fmt"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// The twin's half of deletes of prefixes and of the audit: a list of jobs, and a
// list of lines.

type twinBulk struct {
	prefixes []*twinPrefix
	lines    []string
	// auditKeep is the setting, asking the command's session.
	auditKeep int
	asking    string
}

type twinPrefix struct {
	upto, references, until   uint64
	prefix, cursor, condition string
	ended, kept               int
}

// audit keeps a line and lets the first ones go.
func (w *twin) audit(kind int, format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf("audit 1.%d kind %d at %d session %x", w.version, kind, w.now, w.asking)+fmt.Sprintf(format, args...))
	for i := 0; i < state.AuditTrim && w.auditKeep > 0 && len(w.lines) > w.auditKeep; i++ {
		w.lines = w.lines[1:]
	}
}

// eachAudited is each, with a line about the items that the rule changed.
func (w *twin) eachAudited(kind, items int, print func(i int) string, rule func(i int) bool) string {
	about := ""
	answer := w.each(items, func(i int) bool {
		changed := rule(i)
		if changed {
			about += print(i)
		}
		return changed
	})
	if about != "" {
		w.audit(kind, "%s", about)
	}
	return answer
}

func (w *twin) namesBelow(prefix string) (names []string) {
	for _, name := range sortedKeys(w.objects) {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}

func (w *twin) deletePrefix(q *pb.DeletePrefixRequest) string {
	if len(w.namesBelow(q.Prefix)) == 0 {
		return w.say(protocol.NotFound)
	}
	running := 0
	for _, j := range w.prefixes {
		if j.condition == "running" {
			running++
		}
	}
	if running >= protocol.MaxPrefixJobs {
		return w.say(protocol.LimitExceeded)
	}
	w.prefixes = append(w.prefixes, &twinPrefix{upto: w.next(), prefix: q.Prefix, condition: "running"})
	w.audit(3, " [%s]", q.Prefix)
	return w.say(0)
}

func (w *twin) prefixJob(upto uint64) *twinPrefix {
	for _, j := range w.prefixes {
		if j.upto == upto {
			return j
		}
	}
	return nil
}

func (w *twin) prefixStep(q *record.DeletePrefixStep) string {
	j := w.prefixJob(q.Job.GetCounter())
	if j == nil || j.condition != "running" || j.cursor != q.Cursor {
		return w.say(0) + " stale"
	}
	ended, kept, done, about := 0, 0, true, ""
	for _, name := range w.namesBelow(j.prefix) {
		if name <= j.cursor {
			continue
		}
		if ended+kept == int(q.Count) {
			done = false
			break
		}
		j.cursor = name
		o := w.objects[name]
		if o.version > j.upto {
			kept++
			continue
		}
		ended++
		j.references += uint64(len(o.blocks))
		w.end(name, o, w.next(), pb.TrashCause_TRASH_CAUSE_PREFIX)
		delete(w.objects, name)
		about += printEnded(name, o.version, w.version)
	}
	if ended == 0 {
		w.next()
	}
	j.ended, j.kept = j.ended+ended, j.kept+kept
	if done {
		w.endPrefix(j, "done")
	}
	if ended > 0 {
		w.audit(4, " [%s]%s cause 1.%d", j.prefix, about, j.upto)
	}
	return w.say(0) + printPrefixStep(&record.PrefixStepResult{Ended: uint32(ended), Kept: uint32(kept), Done: done})
}

// endPrefix keeps the jobs that ended last.
func (w *twin) endPrefix(j *twinPrefix, condition string) {
	j.condition, j.until = condition, w.version
	ended, first := 0, j
	for _, other := range w.prefixes {
		if other.condition != "running" {
			if ended++; other.until < first.until {
				first = other
			}
		}
	}
	if ended > protocol.MaxEndedPrefixJobs {
		var rest []*twinPrefix
		for _, other := range w.prefixes {
			if other != first {
				rest = append(rest, other)
			}
		}
		w.prefixes = rest
	}
}

func (w *twin) cancelPrefix(upto uint64) string {
	j := w.prefixJob(upto)
	switch {
	case j == nil:
		return w.say(protocol.NotFound)
	case j.condition == "done":
		return w.say(protocol.PreconditionFailed)
	case j.condition == "running":
		w.next()
		w.endPrefix(j, "canceled")
		w.audit(5, " [%s] cause 1.%d", j.prefix, j.upto)
	}
	return w.say(0)
}

func (w *twin) printBulk(out *strings.Builder) {
	for _, j := range w.prefixes {
		fmt.Fprintf(out, "prefix job 1.%d %s of [%s] at [%s] ended %d with %d references, kept %d", j.upto, j.condition, j.prefix, j.cursor, j.ended, j.references, j.kept)
		if j.until > 0 {
			fmt.Fprintf(out, " until 1.%d", j.until)
		}
		out.WriteString("\n")
	}
	for _, line := range w.lines {
		out.WriteString(line + "\n")
	}
}

// describeBulk is twin.printBulk for the machine; it reads the audit page by page.
func describeBulk(m *machine, out *strings.Builder) error {
	jobs, err := state.PrefixJobs(m.table, true)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		out.WriteString(printPrefixJob(j))
	}
	q := &pb.AuditRequest{Limit: 13}
	for more := true; more; {
		ans, err := state.Audit(m.table, q)
		if err != nil {
			return err
		}
		for _, row := range ans.Rows {
			_, about, _ := strings.Cut(printAudit(row, func(hash []byte) string { return fmt.Sprintf("%x", hash[:4]) })[1:], " ")
			fmt.Fprintf(out, "audit %s kind %d at %d session %x %s\n", v(row.Version), row.Kind, row.AtUnixMs, row.Session, about)
		}
		q.After, q.AfterSequence, more = ans.Next, ans.NextSequence, ans.More
	}
	return nil
}

// bulk makes a command of a delete of a prefix.
func (g *generator) bulk() *record.Command {
	jobs, err := state.PrefixJobs(g.m.table, g.chance(10))
	if err != nil {
		g.m.tb.Fatal(err)
	}
	if len(jobs) == 0 || g.chance(20) {
		prefix := []string{"", "name", "name1", "name3", "other"}[g.draw(5)]
		return &record.Command{Body: &record.Command_DeletePrefix{DeletePrefix: &pb.DeletePrefixRequest{Call: g.call(60), Bucket: "random", Prefix: prefix}}}
	}
	j := jobs[g.draw(len(jobs))]
	if g.chance(15) {
		return &record.Command{Body: &record.Command_CancelPrefixJob{CancelPrefixJob: &record.CancelPrefixJob{Job: j.Upto}}}
	}
	cursor := j.Cursor
	if g.chance(10) {
		cursor = g.name("name", someNames)
	}
	return prefixStep(protocol.Version{Generation: j.Upto.Generation, Counter: j.Upto.Counter}, cursor, uint32(1+g.draw(3)))
}
