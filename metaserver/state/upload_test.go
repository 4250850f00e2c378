package state_test

import (
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// takes commits the upload of everything under a name of the bucket.
func takes(bucket string) *record.Command {
	return commitCommand(&pb.CommitRequest{Bucket: bucket, Name: "taken", Upload: id("upload"), Size: 200})
}

// asBefore has the upload's row of everything name no bucket, as rows did before
// uploads kept theirs.
func asBefore(t *testing.T, m *machine) {
	t.Helper()
	damaged{t, m.table.(*table.Memory)}.upload(func(u *record.Upload) { u.Bucket = "" })
}

// TestUploadOfAnotherBucket: the refusal names both buckets and what to do.
func TestUploadOfAnotherBucket(t *testing.T) {
	m := everything(t)
	r := m.one(takes("other"))
	if protocol.Kind(r.Kind) != protocol.InvalidArgument || !strings.Contains(r.Detail, `made for bucket "limits"`) || !strings.Contains(r.Detail, `not for "other"`) {
		t.Fatalf("%s: %s", protocol.Kind(r.Kind), r.Detail)
	}
	m.must(takes("limits"))
}

// TestUploadOfNoBucket: an upload that was open when its server came to keep
// buckets is committed to none. It is aborted as ever.
func TestUploadOfNoBucket(t *testing.T) {
	m := everything(t)
	asBefore(t, m)
	if r := m.one(takes("limits")); protocol.Kind(r.Kind) != protocol.InvalidArgument {
		t.Fatalf("%s: %s", protocol.Kind(r.Kind), r.Detail)
	}
	m.must(&record.Command{Body: &record.Command_AbortUpload{AbortUpload: &pb.UploadAbortRequest{Upload: id("upload")}}})
}

// TestTakenUploadOfNoBucket: one that an object had taken over is read and taken
// back as ever.
func TestTakenUploadOfNoBucket(t *testing.T) {
	m := everything(t)
	m.must(takes("limits"))
	asBefore(t, m)
	got, err := state.Lookup(m.table, &pb.LookupRequest{Bucket: "limits", Name: "taken"})
	if err != nil || len(got.Blocks.GetPlainSizes()) != 2 {
		t.Fatal(got, err)
	}
	m.must(&record.Command{Body: &record.Command_Delete{Delete: &pb.DeleteRequest{Bucket: "limits", Items: []*pb.DeleteItem{{Name: "taken"}}}}})
	jobs, err := state.Jobs(m.table, 10)
	if err != nil || len(jobs) == 0 {
		t.Fatal(jobs, err)
	}
	for _, j := range jobs {
		step := &record.UnreferenceStep{Job: versionPB(j.Job), Cursor: j.Cursor, Count: 10}
		m.must(&record.Command{Body: &record.Command_Unreference{Unreference: &record.Unreference{Steps: []*record.UnreferenceStep{step}}}})
	}
	if jobs, err = state.Jobs(m.table, 10); err != nil || len(jobs) > 0 {
		t.Fatal(jobs, err)
	}
}
