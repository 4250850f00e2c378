package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func checkUnreference(q *record.Unreference) error {
	total := uint64(0)
	for _, step := range q.Steps {
		if step.Count == 0 {
			return protocol.Errorf(protocol.InvalidArgument, "a step takes back at least one reference")
		}
		total += uint64(step.Count)
	}
	if len(q.Steps) == 0 || total > protocol.MaxUnreferenceStep {
		return protocol.Errorf(protocol.InvalidArgument, "one command takes back 1 to %d references, not %d", protocol.MaxUnreferenceStep, total)
	}
	return nil
}

// rowsOfUnreference: a step touches its job and an upload, and for a reference
// the block and its rows of the schedule. A step that meets more, such as many
// short pages, stops where the entry has no more room.
func rowsOfUnreference(q *record.Unreference) int {
	rows := 0
	for _, step := range q.Steps {
		rows += 2 + 3*int(min(step.Count, protocol.MaxUnreferenceStep))
	}
	return rows
}

// unreference takes references of ended objects and uploads back, in bounded
// steps (reclamation.md, Unreference). A step whose cursor is no longer the
// job's was done before, perhaps by another leader, and does nothing.
func (a *applier) unreference(q *record.Unreference) *record.Result {
	out := &record.UnreferenceResult{}
	var ended []byte
	var causes []*pb.Version
	for _, step := range q.Steps {
		key := keyJob(fromPB(step.Job))
		job := &record.Job{}
		if !a.load(key, job) || !a.atCursor(job, step) {
			out.Stale++
			continue
		}
		before := len(ended)
		a.takeBack(key, job, uint64(step.Count), &ended)
		if out.Applied++; len(ended) > before {
			causes = append(causes, toPB(fromPB(step.Job)))
		}
	}
	if out.Applied > 0 {
		a.next()
	}
	if len(ended) > 0 {
		a.audit(&pb.AuditRow{Kind: pb.AuditKind_AUDIT_KIND_UNREFERENCE, Hashes: ended, Causes: causes})
	}
	return &record.Result{Version: toPB(a.version()), Body: &record.Result_Unreference{Unreference: out}}
}

// atCursor: the step was decided on the job as it stands. Without this rule the
// step is done again, from where it was decided on.
func (a *applier) atCursor(job *record.Job, step *record.UnreferenceStep) bool {
	if job.Cursor == step.Cursor || a.m.holds(UnreferenceCursor) {
		return job.Cursor == step.Cursor
	}
	if len(job.Upload) == 0 && step.Cursor < job.Cursor {
		a.cluster.Counters.UnreferenceLeft += job.Cursor - step.Cursor
		job.Cursor = step.Cursor
	}
	return true
}

// takeBack does one step of a job, as far as the entry has room, and keeps the
// job, or ends it when nothing is left. Blocks without a reference are added to
// ended.
func (a *applier) takeBack(key []byte, job *record.Job, count uint64, ended *[]byte) {
	count = min(count, job.BlockCount-job.Cursor)
	countJob(a.cluster.Counters, job.BlockCount-job.Cursor, ^uint64(0))
	end := job.Cursor + count
	for job.Cursor < end && a.err == nil && a.room(rowsOfReference) {
		if len(job.Upload) > 0 {
			a.takeBackPage(job, end, ended)
			continue
		}
		a.dropReference(hashAt(job.Blocks.Hashes, int(job.Cursor)), job.Redundancy, ended)
		job.Cursor++
	}
	if job.Cursor < job.BlockCount {
		countJob(a.cluster.Counters, job.BlockCount-job.Cursor, 1)
		a.store(key, job)
		return
	}
	a.delete(key)
	if len(job.Upload) > 0 {
		a.delete(keyUpload(job.Upload))
	}
}

// takeBackPage moves the cursor through the job's first page that is left, up to
// end, and removes the page when the cursor leaves it.
func (a *applier) takeBackPage(job *record.Job, end uint64, ended *[]byte) {
	page, key, err := firstPage(a, job.Upload, job.PagesEnd)
	if err != nil || page == nil || job.Cursor < page.FirstBlock {
		a.fail(err)
		a.fail(protocol.Errorf(protocol.Corrupt, "the page of upload %x after byte %d is missing", job.Upload, job.PagesEnd))
		return
	}
	pageEnd := page.FirstBlock + uint64(len(page.Blocks.GetPlainSizes()))
	for ; job.Cursor < min(end, pageEnd) && a.err == nil && a.room(rowsOfReference); job.Cursor++ {
		a.dropReference(hashAt(page.Blocks.Hashes, int(job.Cursor-page.FirstBlock)), page.Redundancy, ended)
	}
	if job.Cursor == pageEnd {
		job.PagesEnd = endOfPage(key)
		a.delete(key)
	}
}

// rowsOfReference bounds the rows that taking one reference back touches: the
// block, its page, its rows of the schedule before and after (those of drops
// stay), and the nodes that it was critical for.
const rowsOfReference = 2 + 2 + 2 + protocol.MaxRedundancy

// dropReference takes one reference, that asked for redundancy, from a block. At
// none the block is unreferenced, and its grace begins.
func (a *applier) dropReference(hash []byte, redundancy uint32, ended *[]byte) {
	d := a.open(hash)
	if d.row.Phase != record.Block_LIVE || !loseReference(d.row, redundancy) {
		a.fail(protocol.Errorf(protocol.Corrupt, "block %x is held by a job and has no such reference, of redundancy %d", hash, redundancy))
		return
	}
	if d.row.Refs == 0 {
		d.row.Phase = record.Block_UNREFERENCED
		*ended = append(*ended, hash...)
	}
	a.replace(&d, a.changeTo(&d, a.become(&d)))
}

// UnreferenceWork is a job as the dispatcher needs it: what a
// record.UnreferenceStep is made of.
type UnreferenceWork struct {
	// Job names the job: the version that ended its object.
	Job protocol.Version
	// Cursor counts the references already taken back, Left those to go.
	Cursor, Left uint64
}

// Jobs returns the first limit jobs, oldest first.
func Jobs(r Reader, limit int) ([]UnreferenceWork, error) {
	return JobsFrom(r, protocol.Version{}, limit)
}

// JobsFrom is Jobs for those from a version on. A job's version is above those of
// all that began before it, so a reader that has seen the oldest one need never
// look below it again; a table may have to pass over many that are gone.
func JobsFrom(r Reader, from protocol.Version, limit int) ([]UnreferenceWork, error) {
	var out []UnreferenceWork
	var failed error
	err := scanRowsBetween(r, keyJob(from), keysAbove([]byte{tableJobs}), func(key []byte, j *record.Job) bool {
		if len(out) >= limit {
			return false
		}
		var version protocol.Version
		version, failed = protocol.VersionFromBytes(key[1:])
		out = append(out, UnreferenceWork{version, j.Cursor, j.BlockCount - j.Cursor})
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	return out, err
}
