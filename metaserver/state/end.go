package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// rowsOfEnd bounds the rows that removing an object touches: its name's, and its
// job or its two rows of the trash.
const rowsOfEnd = 3

// removeObject ends a live object and its name, at a version of its own, and tells
// what the audit keeps of it. Every way to delete goes through here.
func (a *applier) removeObject(bucket, name string, o *record.Object, cause pb.TrashCause) *pb.AuditObject {
	ended := a.next()
	a.endObject(bucket, name, o, ended, cause)
	a.delete(keyObject(bucket, name))
	return &pb.AuditObject{Name: name, Version: o.Version, Ended: toPB(ended)}
}

// endObject takes a live object out of the counts. In a bucket with trash it stays
// there, and so do its references; else they become a job, named by the version
// that ended the object.
func (a *applier) endObject(bucket, name string, o *record.Object, ended protocol.Version, cause pb.TrashCause) {
	countObject(a.cluster.Counters, o, ^uint64(0))
	if due := a.trashDue(bucket); due != 0 {
		a.trash(bucket, name, &record.Trashed{
			Object: o, Cause: cause, Ended: toPB(ended), DeletedUnixMs: a.nowUnixMs, DueUnixMs: due,
		})
		if a.m.holds(TrashKeepsReferences) {
			return
		}
	}
	job := jobOf(o)
	if !a.m.holds(ObjectKeepsRedundancy) {
		job.Redundancy = a.redundancyIn(bucket)
	}
	a.startJob(job, ended)
}

// jobOf is the job that takes an object's references back.
func jobOf(o *record.Object) *record.Job {
	return &record.Job{Blocks: o.Blocks, Upload: o.Upload, BlockCount: o.BlockCount, Redundancy: o.Redundancy}
}

// startJob keeps a job unless it has nothing to take back.
func (a *applier) startJob(j *record.Job, ended protocol.Version) {
	if j.BlockCount == 0 {
		return
	}
	countJob(a.cluster.Counters, j.BlockCount, 1)
	a.store(keyJob(ended), j)
}
