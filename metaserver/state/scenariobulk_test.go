package state_test

import (
	"fmt"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// bulk makes the commands of deletes of prefixes.
func (s *scenario) bulk() map[string]func(*arguments) *record.Command {
	return map[string]func(*arguments) *record.Command{
		"deleteprefix": func(a *arguments) *record.Command {
			q := &pb.DeletePrefixRequest{Call: s.call(a), Bucket: bucketOf(a), Prefix: strings.Join(a.words, "")}
			return &record.Command{Body: &record.Command_DeletePrefix{DeletePrefix: q}}
		},
		"prefixstep": func(a *arguments) *record.Command {
			return prefixStep(s.parseVersion(a.text("job")), a.text("cursor"), uint32(a.number("count", protocol.MaxPrefixStep)))
		},
		"cancelprefix": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_CancelPrefixJob{CancelPrefixJob: &record.CancelPrefixJob{Job: s.version(a, "job")}}}
		},
	}
}

func prefixStep(job protocol.Version, cursor string, count uint32) *record.Command {
	return &record.Command{Body: &record.Command_DeletePrefixStep{DeletePrefixStep: &record.DeletePrefixStep{
		Job: versionPB(job), Cursor: cursor, Count: count,
	}}}
}

func printPrefixStep(r *record.PrefixStepResult) string {
	out := fmt.Sprintf(" ended %d kept %d", r.Ended, r.Kept)
	if r.Stale {
		out = " stale"
	}
	if r.Done {
		out += " done"
	}
	return out
}

// prefixes lists the deletes of prefixes.
func (s *scenario) prefixes(*arguments) string {
	jobs, err := state.PrefixJobs(s.m.table, true)
	s.fail(err)
	out := ""
	for _, j := range jobs {
		out += printPrefixJob(j)
	}
	if out == "" {
		return "none\n"
	}
	return out
}

func printPrefixJob(j *record.PrefixJob) string {
	out := fmt.Sprintf("prefix job %s %s of [%s] at [%s] ended %d with %d references, kept %d",
		v(j.Upto), state.PrefixStateName(j.State), j.Prefix, j.Cursor, j.Objects, j.References, j.Kept)
	if j.Ended != nil {
		out += " until " + v(j.Ended)
	}
	return out + "\n"
}

// audit prints one page of the audit: of hash=, name= or kind=, after=, limit=.
func (s *scenario) audit(a *arguments) string {
	q := &pb.AuditRequest{Limit: uint32(a.number("limit", 0))}
	if name, given := a.get("name"); given {
		q.Bucket, q.Name = bucketOf(a), name
	}
	if bucket, given := a.get("bucket"); given {
		q.Bucket = bucket
	}
	if hash, given := a.get("hash"); given {
		q.Hash = blocksOf(hash).Hashes
	}
	if _, given := a.get("after"); given {
		q.After = s.version(a, "after")
	}
	for _, kind := range a.list("kind") {
		q.Kinds = append(q.Kinds, pb.AuditKind(pb.AuditKind_value["AUDIT_KIND_"+strings.ToUpper(kind)]))
	}
	ans, err := state.Audit(s.m.table, q)
	if err != nil {
		return problem(err)
	}
	out := ""
	for _, row := range ans.Rows {
		out += fmt.Sprintf("%s by %s%s", v(row.Version), row.Request, printAudit(row, s.name)) + "\n"
	}
	if ans.More {
		out += "more after " + v(ans.Next) + "\n"
	}
	if out == "" {
		return "nothing\n"
	}
	return out
}

// printAudit prints all of a row but its version and who asked.
func printAudit(row *pb.AuditRow, name func([]byte) string) string {
	out := fmt.Sprintf(" %s", strings.ToLower(strings.TrimPrefix(row.Kind.String(), "AUDIT_KIND_")))
	if row.Kind == pb.AuditKind_AUDIT_KIND_PREFIX_BEGIN || row.Kind == pb.AuditKind_AUDIT_KIND_PREFIX_STEP || row.Kind == pb.AuditKind_AUDIT_KIND_PREFIX_CANCEL {
		out += fmt.Sprintf(" [%s]", row.Prefix)
	}
	for _, o := range row.Objects {
		out += printEnded(o.Name, o.Version.Counter, o.Ended.Counter)
	}
	for i := range len(row.Hashes) / protocol.HashSize {
		out += " " + name(row.Hashes[32*i:32*i+32])
		if len(row.Nodes) > 0 {
			out += fmt.Sprintf("@%d", row.Nodes[i])
		}
	}
	for _, c := range row.Causes {
		out += " cause " + v(c)
	}
	if len(row.Upload) > 0 {
		out += fmt.Sprintf(" upload %x", row.Upload)
	}
	if row.Kind == pb.AuditKind_AUDIT_KIND_REMOVE_NODE {
		out += fmt.Sprintf(" node %d accepted %v critical %d", row.Nodes[0], row.AcceptLoss, row.CriticalBlocks)
	}
	if row.Upto != nil {
		out += " upto " + v(row.Upto)
	}
	return out
}

func printEnded(name string, version, ended uint64) string {
	return fmt.Sprintf(" %s@%d-%d", name, version, ended)
}

func printNodeBlock(item *record.NodeBlock) string {
	return fmt.Sprintf(" %x@%d", item.Hash[:4], item.Node)
}
