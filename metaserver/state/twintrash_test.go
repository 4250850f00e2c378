package state_test

import (
	"fmt"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// The twin's trash: of each name, the objects by the version that they had.

type twinTrashed struct {
	object       *twinObject
	cause        pb.TrashCause
	deleted, due int64
}

// end is how every object of the twin ends, after its name has gone.
func (w *twin) end(name string, o *twinObject, version uint64, cause pb.TrashCause) {
	if w.keep == 0 {
		w.endWith(&twinJob{blocks: o.blocks, upload: o.upload, asked: o.asked}, version)
		return
	}
	if w.trash[name] == nil {
		w.trash[name] = map[uint64]*twinTrashed{}
	}
	w.trash[name][o.version] = &twinTrashed{o, cause, w.now, w.now + int64(w.keep)}
}

func (w *twin) runTrash(c *record.Command) (string, bool) {
	switch body := c.Body.(type) {
	case *record.Command_PutBucket:
		return w.putBucket(body.PutBucket), true
	case *record.Command_Undelete:
		return w.once(body.Undelete.Call, func() string { return w.undelete(body.Undelete) }), true
	case *record.Command_EmptyTrash:
		return w.emptyTrash(body.EmptyTrash), true
	}
	return "", false
}

func (w *twin) putBucket(q *record.PutBucket) string {
	if q.IfVersion.GetCounter() != w.keptSince {
		return w.say(protocol.Changed)
	}
	had := w.keep > 0 || w.asked > 0
	w.keep, w.asked = q.TrashKeepMs, int(q.Redundancy)
	if had || w.keep > 0 || w.asked > 0 {
		w.keptSince = w.next()
	}
	return w.say(0)
}

func (w *twin) undelete(q *pb.UndeleteRequest) string {
	found := q.Version.GetCounter()
	if found == 0 {
		for version := range w.trash[q.Name] {
			found = max(found, version)
		}
	}
	t := w.trash[q.Name][found]
	if t == nil {
		return w.say(protocol.NotFound)
	}
	live := w.objects[q.Name]
	if q.Precondition == nil && live != nil || !w.allows(q.Precondition, live) {
		return w.say(protocol.PreconditionFailed)
	}
	delete(w.trash[q.Name], found)
	version := w.next()
	again := *t.object
	again.version = version
	w.objects[q.Name] = &again
	out := w.say(0) + fmt.Sprintf(" undeleted 1.%d", found)
	if live != nil {
		w.end(q.Name, live, version, pb.TrashCause_TRASH_CAUSE_OVERWRITTEN)
		out += fmt.Sprintf(" replaced 1.%d", live.version)
		w.audit(1, "%s", printEnded(q.Name, live.version, version))
	}
	return out
}

func (w *twin) emptyTrash(q *record.EmptyTrash) string {
	applied, bytes, ended := 0, uint64(0), ""
	for _, item := range q.Items {
		t := w.trash[item.Name][item.Version.Counter]
		if q.IfGeneration > 1 || t == nil || t.due != item.IfDueUnixMs {
			continue
		}
		delete(w.trash[item.Name], item.Version.Counter)
		w.endWith(&twinJob{blocks: t.object.blocks, upload: t.object.upload, asked: t.object.asked}, w.next())
		applied++
		bytes += t.object.size
		ended += printEnded(item.Name, item.Version.Counter, w.version)
	}
	if ended != "" {
		w.audit(14, "%s", ended)
	}
	return w.say(0) + fmt.Sprintf(" applied %d ignored %d bytes %d", applied, len(q.Items)-applied, bytes)
}

func (w *twin) printTrash(out *strings.Builder) {
	fmt.Fprintf(out, "bucket keeps %d asks for %d since %d\n", w.keep, w.asked, w.keptSince)
	for _, name := range sortedKeys(w.trash) {
		for version := w.version; version > 0; version-- {
			if t := w.trash[name][version]; t != nil {
				out.WriteString(printTrashed(&pb.TrashedObject{
					Object: &pb.ObjectInfo{Name: name, Version: &pb.Version{Generation: 1, Counter: version}, Size: t.object.size},
					Cause:  t.cause, DeletedUnixMs: t.deleted, DueUnixMs: t.due,
				}))
			}
		}
	}
}

// describeTrash is twin.printTrash for the machine, read in pages of two.
func describeTrash(m *machine, out *strings.Builder) error {
	answer, err := state.Bucket(m.table, &pb.BucketGetRequest{Bucket: "random"})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "bucket keeps %d asks for %d since %d\n", answer.Bucket.TrashKeepMs, answer.Bucket.Redundancy, answer.Bucket.Version.Counter)
	for q := (&pb.TrashListRequest{Bucket: "random", Limit: 2}); ; {
		page, err := state.TrashList(m.table, q)
		if err != nil {
			return err
		}
		for _, t := range page.Objects {
			out.WriteString(printTrashed(t))
		}
		if page.Next == "" {
			return nil
		}
		q.After, q.AfterVersion = page.Next, page.NextVersion
	}
}
