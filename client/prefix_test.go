package client_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// testPrefixes deletes a prefix, waits for it, and finds in the audit what became
// of each object.
func testPrefixes(t *testing.T, w *world) {
	const objects = 450
	for i := range objects {
		w.put(w.bucket, fmt.Sprintf("gone/%03d", i), []byte("x"))
	}
	w.put(w.bucket, "gone", []byte("x"))
	id, err := w.c.DeletePrefix(t.Context(), w.bucket, "gone/")
	if err != nil {
		t.Fatal(err)
	}
	told := uint64(0)
	job, err := w.c.WaitPrefix(t.Context(), id, func(j client.PrefixJob) { told = j.Objects })
	if err != nil || job.ID != id || job.State != "done" || job.Objects != objects || told != objects {
		t.Fatalf("the delete came to %+v, told %d: %v", job, told, err)
	}
	if left := w.list(w.bucket, client.WithPrefix("gone")); len(left) != 1 {
		t.Errorf("what is left is %q", left)
	}
	if _, err := w.c.DeletePrefix(t.Context(), w.bucket, "gone/"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("deleting nothing: %v", err)
	}
	if err := w.c.CancelPrefix(t.Context(), id); !errors.Is(err, client.ErrPreconditionFailed) {
		t.Errorf("canceling what is done: %v", err)
	}
	if _, err := w.c.WaitPrefix(t.Context(), client.Version{Generation: 9, Counter: 9}, nil); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("waiting for nothing: %v", err)
	}
	if jobs, err := w.c.PrefixJobs(t.Context(), true); err != nil || len(jobs) == 0 {
		t.Errorf("listed %v, %v", jobs, err)
	}
	rows := w.audit(client.AuditFilter{Bucket: w.bucket, Name: "gone/123"})
	if len(rows) != 1 || rows[0].Kind != pb.AuditKind_AUDIT_KIND_PREFIX_STEP || rows[0].Request != "leader" || rows[0].Causes[0].GetCounter() != id.Counter {
		t.Errorf("the audit tells %v", rows)
	}
	rows = w.audit(client.AuditFilter{Since: id, Kinds: []pb.AuditKind{pb.AuditKind_AUDIT_KIND_PREFIX_BEGIN}})
	if len(rows) != 1 || rows[0].Prefix != "gone/" || rows[0].Version.GetCounter() != id.Counter || len(rows[0].Session) != 16 {
		t.Errorf("the audit tells %v", rows)
	}
	for _, err := range w.c.Audit(t.Context(), client.AuditFilter{Name: "no bucket"}) {
		if protocol.KindOf(err) != protocol.InvalidArgument {
			t.Errorf("asking badly: %v", err)
		}
	}
}

func (w *world) audit(f client.AuditFilter) (rows []*pb.AuditRow) {
	w.t.Helper()
	for row, err := range w.c.Audit(w.t.Context(), f) {
		if err != nil {
			w.t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}
