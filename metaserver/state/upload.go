package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// An upload gathers, page by page, the blocks of an object that is larger than
// one entry. Its pages hold references as soon as they are appended. It lives as
// long as the session that created it, and ends by a commit, which takes its
// pages over, or by an abort or the session's end, which turn it into a job. Its
// row stays, closed, as long as its pages, so that its id cannot return. It is made
// for a bucket, whose redundancy its references ask for, and committed to no other.

// checkCreateUpload insists on a bucket, and on a session: nothing else would end an
// upload that its client has forgotten.
func checkCreateUpload(q *record.CreateUpload) error {
	if q.Call == nil {
		return protocol.Errorf(protocol.InvalidArgument, "an upload lives in a session; open one and name it")
	}
	if err := checkCall(q.Call); err != nil {
		return err
	}
	if q.Bucket == "" {
		return protocol.Errorf(protocol.InvalidArgument, "an upload is made for a bucket; name the one that its object goes to")
	}
	if err := protocol.CheckBucket(q.Bucket); err != nil {
		return err
	}
	return checkID("an upload", q.Upload)
}

func checkAppendUpload(q *pb.UploadAppendRequest) error {
	if err := checkCall(q.Call); err != nil {
		return err
	}
	if err := checkID("an upload", q.Upload); err != nil {
		return err
	}
	_, err := checkBlocks(q.Blocks, q.Claims, 1)
	return err
}

func checkAbortUpload(q *pb.UploadAbortRequest) error {
	if err := checkCall(q.Call); err != nil {
		return err
	}
	return checkID("an upload", q.Upload)
}

func (a *applier) createUpload(q *record.CreateUpload) *record.Result {
	session := &record.Session{}
	a.load(keySession(q.Call.Session), session)
	if session.Uploads >= protocol.MaxUploadsPerSession {
		return a.refuse(protocol.LimitExceeded, "the session has %d uploads open, which is the limit", session.Uploads)
	}
	key := keyUpload(q.Upload)
	if a.load(key, &record.Upload{}) {
		return a.refuse(protocol.PreconditionFailed, "the upload exists; draw another id")
	}
	session.Uploads++
	a.store(keySession(q.Call.Session), session)
	a.store(key, &record.Upload{Session: q.Call.Session, Bucket: q.Bucket, Redundancy: a.redundancyIn(q.Bucket)})
	a.put(keySessionUpload(q.Call.Session, q.Upload), nil)
	a.cluster.Counters.Uploads++
	version := toPB(a.next())
	answer := &pb.UploadCreateAnswer{Upload: q.Upload, Version: version}
	return &record.Result{Version: version, Body: &record.Result_CreateUpload{CreateUpload: answer}}
}

// appendUpload references a page's blocks as Commit does, refusals included.
func (a *applier) appendUpload(q *pb.UploadAppendRequest) *record.Result {
	upload, refusal := a.openUpload(q.Upload)
	if refusal != nil {
		return refusal
	}
	if q.Page != upload.Pages {
		return a.refuse(protocol.Changed, "page %d was sent and page %d is next", q.Page, upload.Pages)
	}
	if upload.Pages >= protocol.MaxPagesPerUpload {
		return a.refuse(protocol.LimitExceeded, "an upload has at most %d pages", protocol.MaxPagesPerUpload)
	}
	groups, err := a.mentions(q.Blocks, q.Claims)
	if err != nil {
		return a.refuseWith(err)
	}
	if refusal := a.reference(groups, upload.Redundancy, q.Claims); refusal != nil {
		return refusal
	}
	page := &record.UploadPage{Blocks: plainBlocks(q.Blocks), Offset: upload.Size, FirstBlock: upload.BlockCount, Redundancy: upload.Redundancy}
	for _, plain := range q.Blocks.PlainSizes {
		upload.Size += uint64(plain)
	}
	upload.BlockCount += uint64(len(q.Blocks.PlainSizes))
	upload.Pages++
	a.store(keyPage(q.Upload, upload.Size), page)
	a.store(keyUpload(q.Upload), upload)
	a.next()
	return a.done()
}

// abortUpload gives the references of an open upload back through a job.
func (a *applier) abortUpload(q *pb.UploadAbortRequest) *record.Result {
	upload, refusal := a.openUpload(q.Upload)
	if refusal != nil {
		return refusal
	}
	a.leaveSession(upload)
	a.endUpload(q.Upload, upload)
	return a.done()
}

func (a *applier) openUpload(id []byte) (*record.Upload, *record.Result) {
	upload := &record.Upload{}
	if !a.load(keyUpload(id), upload) || upload.Closed {
		return nil, a.refuse(protocol.NotFound, "no such upload is open; its session may have ended")
	}
	return upload, nil
}

// takeUpload hands an open upload's pages to the object, or returns the refusal.
func (a *applier) takeUpload(object *record.Object, q *pb.CommitRequest) *record.Result {
	upload, refusal := a.openUpload(q.Upload)
	if refusal != nil {
		return refusal
	}
	if upload.Bucket != q.Bucket {
		return a.refuse(protocol.InvalidArgument, "the upload was made for bucket %s, whose redundancy its blocks ask for, not for %s; commit it to its own bucket, or create one for this",
			protocol.Quote(upload.Bucket), protocol.Quote(q.Bucket))
	}
	if upload.Size != q.Size {
		return a.refuse(protocol.InvalidArgument, "the upload has %d bytes and the request says %d", upload.Size, q.Size)
	}
	a.leaveSession(upload)
	a.closeUpload(q.Upload, upload)
	if upload.BlockCount > 0 {
		object.Upload, object.BlockCount, object.Redundancy = q.Upload, upload.BlockCount, upload.Redundancy
	}
	return nil
}

// endUpload turns an open upload into a job, or removes it if it has no page.
// Every upload that ends takes a version of its own, which names its job.
func (a *applier) endUpload(id []byte, upload *record.Upload) {
	a.closeUpload(id, upload)
	a.startJob(&record.Job{Upload: id, BlockCount: upload.BlockCount}, a.next())
	if upload.BlockCount > 0 {
		a.audit(&pb.AuditRow{Kind: pb.AuditKind_AUDIT_KIND_UPLOAD, Upload: id})
	}
}

// closeUpload takes an upload out of its session's open ones.
func (a *applier) closeUpload(id []byte, upload *record.Upload) {
	a.cluster.Counters.Uploads--
	a.delete(keySessionUpload(upload.Session, id))
	if upload.BlockCount == 0 {
		a.delete(keyUpload(id))
		return
	}
	upload.Closed = true
	a.store(keyUpload(id), upload)
}

// leaveSession lowers the session's count of open uploads.
func (a *applier) leaveSession(upload *record.Upload) {
	key := keySession(upload.Session)
	session := &record.Session{}
	if !a.load(key, session) {
		a.fail(protocol.Errorf(protocol.Corrupt, "an open upload's session %x is missing", upload.Session))
		return
	}
	session.Uploads--
	a.store(key, session)
}

// uploadsOf lists the uploads that a session has open.
func (a *applier) uploadsOf(session []byte) [][]byte {
	var uploads [][]byte
	prefix := keyID(tableSessionUploads, session)
	a.fail(a.Scan(prefix, keysAbove(prefix), func(key, _ []byte) bool {
		uploads = append(uploads, append([]byte(nil), key[len(prefix):]...))
		return true
	}))
	return uploads
}
