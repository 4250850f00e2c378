package state_test

import (
	"fmt"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// trash makes the commands of buckets and trash. A trashed object is NAME@VERSION.
func (s *scenario) trash() map[string]func(*arguments) *record.Command {
	return map[string]func(*arguments) *record.Command{
		"bucket": func(a *arguments) *record.Command {
			q := &record.PutBucket{Bucket: bucketOf(a), TrashKeepMs: a.number("keep", 0), Redundancy: uint32(a.number("copies", 0))}
			if _, given := a.get("if"); given {
				q.IfVersion = s.version(a, "if")
			}
			return &record.Command{Body: &record.Command_PutBucket{PutBucket: q}}
		},
		"undelete": s.undelete,
		"empty":    s.empty,
	}
}

// undelete: NAME or NAME@VERSION; if=any lifts the usual precondition.
func (s *scenario) undelete(a *arguments) *record.Command {
	name, version, named := strings.Cut(a.word(0), "@")
	q := &pb.UndeleteRequest{Call: s.call(a), Bucket: bucketOf(a), Name: name}
	if named {
		q.Version = versionPB(s.parseVersion(version))
	}
	if a.text("if") == "any" {
		q.Precondition = &pb.Precondition{}
	} else {
		q.Precondition = s.precondition(a)
	}
	return &record.Command{Body: &record.Command_Undelete{Undelete: q}}
}

func (s *scenario) empty(a *arguments) *record.Command {
	q := &record.EmptyTrash{IfGeneration: uint32(a.number("if", 0))}
	for _, word := range a.words {
		name, version, _ := strings.Cut(word, "@")
		q.Items = append(q.Items, &record.TrashItem{
			Bucket: bucketOf(a), Name: name, Version: versionPB(s.parseVersion(version)), IfDueUnixMs: int64(a.number("due", 0)),
		})
	}
	return &record.Command{Body: &record.Command_EmptyTrash{EmptyTrash: q}}
}

func (s *scenario) trashReads() map[string]func(*arguments) string {
	return map[string]func(*arguments) string{"trash": s.listTrash, "due": s.dueTrash, "settings-of": s.bucketSettings}
}

// listTrash: trash, or trash BUCKET, by pages as List has them; after=NAME@VERSION.
func (s *scenario) listTrash(a *arguments) string {
	after, version, named := strings.Cut(a.text("after"), "@")
	q := &pb.TrashListRequest{Prefix: a.text("prefix"), After: after, Limit: uint32(a.number("limit", 0))}
	if named {
		q.AfterVersion = versionPB(s.parseVersion(version))
	}
	if len(a.words) > 0 {
		q.Bucket = a.word(0)
	}
	answer, err := state.TrashList(s.m.table, q)
	if err != nil {
		return problem(err)
	}
	out := ""
	for _, p := range answer.Prefixes {
		out += "bucket " + p + "\n"
	}
	for _, t := range answer.Objects {
		out += printTrashed(t)
	}
	if answer.Next != "" {
		out += strings.TrimSuffix("next "+answer.Next+"@"+v(answer.NextVersion), "@0.0") + "\n"
	}
	if out == "" {
		return "nothing\n"
	}
	return out
}

func printTrashed(t *pb.TrashedObject) string {
	cause := strings.ToLower(strings.TrimPrefix(t.Cause.String(), "TRASH_CAUSE_"))
	return fmt.Sprintf("%s@%s %d bytes, %s at %d, due %d\n", t.Object.Name, v(t.Object.Version), t.Object.Size, cause, t.DeletedUnixMs, t.DueUnixMs)
}

// dueTrash: due now=MS.
func (s *scenario) dueTrash(a *arguments) string {
	items, err := state.DueTrash(s.m.table, int64(a.number("now", 0)), int(a.number("limit", 100)))
	s.fail(err)
	out := ""
	for _, i := range items {
		out += fmt.Sprintf("%s/%s@%s due %d\n", i.Bucket, i.Name, v(i.Version), i.IfDueUnixMs)
	}
	if out == "" {
		return "nothing\n"
	}
	return out
}

func (s *scenario) bucketSettings(a *arguments) string {
	answer, err := state.Bucket(s.m.table, &pb.BucketGetRequest{Bucket: a.word(0)})
	if err != nil {
		return problem(err)
	}
	return fmt.Sprintf("%s keeps %d ms%s since %s\n", answer.Bucket.Bucket, answer.Bucket.TrashKeepMs, copiesOfBucket(answer.Bucket), v(answer.Bucket.Version))
}

func trashDue(due int64) string {
	if due == 0 {
		return ""
	}
	return fmt.Sprintf(" trash due %d", due)
}

func undeleted(u *pb.UndeleteAnswer) string {
	out := " undeleted " + v(u.Undeleted)
	if u.Replaced {
		out += " replaced " + v(u.ReplacedVersion)
	}
	return out
}

func copiesOfBucket(b *pb.BucketInfo) string {
	if b.Redundancy == 0 {
		return ""
	}
	return fmt.Sprintf(", %d copies,", b.Redundancy)
}
