package state

import (
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// A delete of a prefix is a job: its row is named by the version that began it,
// and steps, each an entry of bounded size, end its objects in the order of their
// names. What was written after it began stays, so a writer that goes on is never
// raced by it. A job that ended stays listed until enough others have.

// maxPrefixStepBytes bounds what one step copies of the rows that it ends: a
// block list becomes a job's, a name a name of the audit.
const maxPrefixStepBytes = protocol.MaxEntrySize

func checkDeletePrefix(q *pb.DeletePrefixRequest) error {
	if err := checkCall(q.Call); err != nil {
		return err
	}
	if err := protocol.CheckBucket(q.Bucket); err != nil {
		return err
	}
	return protocol.CheckPrefix(q.Prefix)
}

func checkDeletePrefixStep(q *record.DeletePrefixStep) error {
	if q.Count < 1 || q.Count > protocol.MaxPrefixStep {
		return protocol.Errorf(protocol.InvalidArgument, "a step looks at 1 to %d names, not %d", protocol.MaxPrefixStep, q.Count)
	}
	return nil
}

// deletePrefix begins a job; there has to be something to delete.
func (a *applier) deletePrefix(q *pb.DeletePrefixRequest) *record.Result {
	prefix := keyObject(q.Bucket, q.Prefix)
	if !a.any(prefix) {
		return a.refuse(protocol.NotFound, "no object begins with %s", protocol.Quote(q.Bucket+"/"+q.Prefix))
	}
	if a.cluster.Counters.PrefixJobs >= protocol.MaxPrefixJobs {
		return a.refuse(protocol.LimitExceeded, "%d deletes of prefixes run, which is the limit", protocol.MaxPrefixJobs)
	}
	upto := a.next()
	a.cluster.Counters.PrefixJobs++
	a.store(keyPrefixJob(upto), &record.PrefixJob{
		Bucket: q.Bucket, Prefix: q.Prefix, Upto: toPB(upto), Request: a.asked.request, StartedUnixMs: a.nowUnixMs,
	})
	a.audit(&pb.AuditRow{Kind: pb.AuditKind_AUDIT_KIND_PREFIX_BEGIN, Bucket: q.Bucket, Prefix: q.Prefix})
	return a.done()
}

// any tells whether a key begins with prefix.
func (a *applier) any(prefix []byte) (found bool) {
	a.fail(a.Scan(prefix, keysAbove(prefix), func(_, _ []byte) bool { found = true; return false }))
	return found
}

// deletePrefixStep ends the next objects of a job, as far as the entry has room.
// A step whose cursor is no longer the job's was done before, perhaps by another
// leader, and does nothing; nor does one of a job that is held.
func (a *applier) deletePrefixStep(q *record.DeletePrefixStep) *record.Result {
	key := keyPrefixJob(fromPB(q.Job))
	job, out := &record.PrefixJob{}, &record.PrefixStepResult{}
	if IsHeld(a.cluster, fromPB(q.Job)) || !a.load(key, job) || job.State != record.PrefixJob_RUNNING || job.Cursor != q.Cursor {
		out.Stale = true
	} else {
		a.endNext(key, job, int(q.Count), out)
	}
	return &record.Result{Version: toPB(a.version()), Body: &record.Result_PrefixStep{PrefixStep: out}}
}

// IsHeld tells whether a delete of a prefix that began at a version waits for an
// operator: the state that it began in was put back, and names are paused since.
func IsHeld(c *record.Cluster, begun protocol.Version) bool {
	return IsPaused(c, PausedNames) && begun.Less(fromPB(c.GetFirst()))
}

func (a *applier) endNext(key []byte, job *record.PrefixJob, count int, out *record.PrefixStepResult) {
	page, last := a.namesAfter(job, count)
	row := &pb.AuditRow{Kind: pb.AuditKind_AUDIT_KIND_PREFIX_STEP, Bucket: job.Bucket, Prefix: job.Prefix, Causes: []*pb.Version{job.Upto}}
	for _, n := range page {
		if !a.room(rowsOfEnd) {
			last = false
			break
		}
		job.Cursor = n.name
		if fromPB(job.Upto).Less(fromPB(n.object.Version)) && a.m.holds(PrefixUpto) {
			out.Kept++
			continue
		}
		out.Ended++
		job.Bytes += n.object.Size
		job.References += n.object.BlockCount
		row.Objects = append(row.Objects, a.removeObject(job.Bucket, n.name, n.object, pb.TrashCause_TRASH_CAUSE_PREFIX))
	}
	if out.Ended == 0 && out.Kept == 0 && !last {
		return
	}
	if out.Ended == 0 {
		a.next()
	}
	job.Objects += uint64(out.Ended)
	job.Kept += uint64(out.Kept)
	if out.Done = last; last {
		a.endPrefixJob(key, job, record.PrefixJob_DONE)
	} else {
		a.store(key, job)
	}
	if out.Ended > 0 {
		a.audit(row)
	}
}

// named is an object with its name.
type named struct {
	name   string
	object *record.Object
}

// namesAfter reads the names that a job looks at next; last says that none follow.
func (a *applier) namesAfter(job *record.PrefixJob, count int) (page []named, last bool) {
	prefix := keyObject(job.Bucket, job.Prefix)
	lower := prefix
	if job.Cursor != "" {
		lower = append(keyObject(job.Bucket, job.Cursor), 0)
	}
	last = true
	size := 0
	a.fail(a.Scan(lower, keysAbove(prefix), func(key, value []byte) bool {
		if len(page) == count || size >= maxPrefixStepBytes {
			last = false
			return false
		}
		n := named{object: &record.Object{}}
		_, n.name = splitObjectKey(key)
		a.fail(decode(key, value, n.object))
		page = append(page, n)
		size += len(key) + len(value)
		return a.err == nil
	}))
	return page, last && a.err == nil
}

// endPrefixJob takes a job out of the running ones, at the present version.
func (a *applier) endPrefixJob(key []byte, job *record.PrefixJob, state record.PrefixJob_State) {
	a.cluster.Counters.PrefixJobs--
	job.State, job.Ended, job.EndedUnixMs = state, toPB(a.version()), a.nowUnixMs
	a.store(key, job)
	a.forgetPrefixJobs()
}

// forgetPrefixJobs lets the job go that ended first, if too many have.
func (a *applier) forgetPrefixJobs() {
	jobs, err := PrefixJobs(a, true)
	a.fail(err)
	ended, oldest := 0, 0
	for i, j := range jobs {
		if j.State == record.PrefixJob_RUNNING {
			continue
		}
		if ended++; ended == 1 || fromPB(j.Ended).Less(fromPB(jobs[oldest].Ended)) {
			oldest = i
		}
	}
	if ended > protocol.MaxEndedPrefixJobs {
		a.delete(keyPrefixJob(fromPB(jobs[oldest].Upto)))
	}
}

// cancelPrefixJob stops a job where it is. To stop it twice is no error.
func (a *applier) cancelPrefixJob(q *record.CancelPrefixJob) *record.Result {
	key := keyPrefixJob(fromPB(q.Job))
	job := &record.PrefixJob{}
	switch {
	case !a.load(key, job):
		return a.refuse(protocol.NotFound, "no delete of a prefix has the number %s, or it ended long ago", fromPB(q.Job))
	case job.State == record.PrefixJob_CANCELED:
		return a.done()
	case job.State != record.PrefixJob_RUNNING:
		return a.refuse(protocol.PreconditionFailed, "the delete %s has ended already", fromPB(q.Job))
	}
	a.next()
	a.endPrefixJob(key, job, record.PrefixJob_CANCELED)
	a.audit(&pb.AuditRow{
		Kind: pb.AuditKind_AUDIT_KIND_PREFIX_CANCEL, Bucket: job.Bucket, Prefix: job.Prefix, Causes: []*pb.Version{job.Upto},
	})
	return a.done()
}

// PrefixJobs lists the deletes of prefixes that run, and those that have ended if
// asked for, by the version that began them (Upto). They are few
// (protocol.MaxPrefixJobs, protocol.MaxEndedPrefixJobs).
func PrefixJobs(r Reader, ended bool) ([]*record.PrefixJob, error) {
	var jobs []*record.PrefixJob
	err := scanRows(r, []byte{tablePrefixJobs}, func(_ []byte, j *record.PrefixJob) bool {
		if ended || j.State == record.PrefixJob_RUNNING {
			jobs = append(jobs, j)
		}
		return true
	})
	return jobs, err
}

// PrefixStateName is a job's state in words.
func PrefixStateName(s record.PrefixJob_State) string { return strings.ToLower(s.String()) }

// PrefixJobInfo is a job as the wire tells of it.
func PrefixJobInfo(j *record.PrefixJob) *pb.PrefixJobInfo {
	return &pb.PrefixJobInfo{
		Job: j.Upto, Bucket: j.Bucket, Prefix: j.Prefix, State: PrefixStateName(j.State), Cursor: j.Cursor,
		Objects: j.Objects, Bytes: j.Bytes, References: j.References, Kept: j.Kept,
		Request: j.Request, StartedUnixMs: j.StartedUnixMs, Ended: j.Ended, EndedUnixMs: j.EndedUnixMs,
	}
}

// ListPrefixJobs answers with deletes of prefixes, oldest first.
func ListPrefixJobs(r Reader, q *pb.PrefixListRequest) (*pb.PrefixListAnswer, error) {
	cluster, err := ClusterRow(r)
	if err != nil {
		return nil, err
	}
	jobs, err := PrefixJobs(r, q.Ended || q.Job != nil)
	ans := &pb.PrefixListAnswer{Version: toPB(versionOf(cluster))}
	for _, j := range jobs {
		if q.Job == nil || fromPB(q.Job) == fromPB(j.Upto) {
			ans.Jobs = append(ans.Jobs, PrefixJobInfo(j))
		}
	}
	return ans, err
}
