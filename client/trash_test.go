package client_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// listDeleted prints what is in the trash, as NAME CAUSE SIZE.
func (w *world) listDeleted(bucket string, opts ...client.Option) []string {
	w.t.Helper()
	var out []string
	for d, err := range w.c.ListDeleted(w.t.Context(), bucket, opts...) {
		switch {
		case err != nil:
			w.t.Fatalf("list the trash: %v", err)
		case d.Prefix != "":
			out = append(out, d.Prefix)
		case d.Due.Sub(d.Deleted) < time.Hour || d.Version.IsZero():
			w.t.Errorf("%s was deleted at %v and is due at %v", d.Name, d.Deleted, d.Due)
		default:
			out = append(out, fmt.Sprint(d.Name, " ", d.Cause, " ", d.Size))
		}
	}
	return out
}

func (w *world) wantTrash(want ...string) {
	w.t.Helper()
	if got := w.listDeleted(w.bucket); !slices.Equal(got, want) {
		w.t.Errorf("the trash has %q, want %q", got, want)
	}
}

// keeping is a change of what a bucket keeps.
func keeping(d time.Duration) client.BucketChange { return client.BucketChange{TrashKeep: &d} }

// testTrash has a bucket keep things, and gets them back byte for byte.
func testTrash(t *testing.T, w *world) {
	ctx := t.Context()
	if b, err := w.c.Bucket(ctx, w.bucket); err != nil || b.TrashKeep != 0 || !b.Version.IsZero() {
		t.Fatal(b, err)
	}
	set, err := w.c.SetBucket(ctx, w.bucket, keeping(2*time.Hour-time.Microsecond))
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.c.Bucket(ctx, w.bucket, client.WithLevel(client.Session))
	if err != nil || got != set || got.TrashKeep != 2*time.Hour || got.Name != w.bucket {
		t.Fatal(got, set, err)
	}
	if _, err := w.c.SetBucket(ctx, w.bucket, keeping(time.Hour), client.IfVersion(client.Version{})); !errors.Is(err, client.ErrChanged) {
		t.Fatal(err)
	}

	first, second := noise(w.rng, 3<<20), noise(w.rng, 200<<10)
	was := w.put(w.bucket, "dir/a", first)
	w.put(w.bucket, "dir/a", second)
	w.put(w.bucket, "b", []byte("inline"))
	var due time.Time
	outcomes, err := w.c.DeleteBatch(ctx, w.bucket, []string{"dir/a", "b", "nothing"}, client.WithTrashDue(&due))
	if err != nil || outcomes[0] != nil || outcomes[1] != nil || !errors.Is(outcomes[2], client.ErrNotFound) || time.Until(due) < time.Hour {
		t.Fatal(outcomes, due, err)
	}
	w.wantTrash("b deleted 6", "dir/a deleted 204800", "dir/a overwritten 3145728")
	if err := w.c.Delete(ctx, w.bucket, "b", client.WithTrashDue(&due)); !errors.Is(err, client.ErrNotFound) || !due.IsZero() {
		t.Fatal(due, err)
	}

	undeleted, err := w.c.Undelete(ctx, w.bucket, "dir/a")
	if err != nil || !undeleted.Replaced.IsZero() || !undeleted.Was.Less(undeleted.Version) {
		t.Fatal(undeleted, err)
	}
	w.get(w.bucket, "dir/a", second)
	if _, err := w.c.Undelete(ctx, w.bucket, "dir/a"); !errors.Is(err, client.ErrPreconditionFailed) {
		t.Fatal(err)
	}
	again, err := w.c.Undelete(ctx, w.bucket, "dir/a", client.Trashed(was.Version), client.Replacing())
	if err != nil || again.Was != was.Version || again.Replaced != undeleted.Version {
		t.Fatal(again, err)
	}
	w.get(w.bucket, "dir/a", first)
	if _, err := w.c.Undelete(ctx, w.bucket, "dir/a", client.IfVersion(was.Version)); !errors.Is(err, client.ErrPreconditionFailed) {
		t.Fatal(err)
	}
	if _, err := w.c.Undelete(ctx, w.bucket, "nothing"); !errors.Is(err, client.ErrNotFound) {
		t.Fatal(err)
	}
	w.wantTrash("b deleted 6", "dir/a overwritten 204800")
	if buckets := w.listDeleted(""); !slices.Contains(buckets, w.bucket) {
		t.Errorf("trash is in the buckets %q", buckets)
	}
	testEmptyTrash(t, w)
}

// testEmptyTrash empties more than one page.
func testEmptyTrash(t *testing.T, w *world) {
	ctx := t.Context()
	names := make([]string, protocol.MaxTrashBatch+20)
	for i := range names {
		names[i] = fmt.Sprintf("many/%03d", i)
		w.put(w.bucket, names[i], []byte("x"))
	}
	if _, err := w.c.DeleteBatch(ctx, w.bucket, names); err != nil {
		t.Fatal(err)
	}
	listed := w.listDeleted(w.bucket, client.WithPrefix("many/"), client.WithPageSize(7))
	if len(listed) != len(names) || !slices.IsSorted(listed) {
		t.Errorf("%d objects are listed, %d were deleted", len(listed), len(names))
	}
	emptied, err := w.c.EmptyTrash(ctx, w.bucket, client.WithPrefix("many/"))
	if err != nil || emptied != (client.Emptied{Objects: int64(len(names)), Bytes: int64(len(names))}) {
		t.Error(emptied, err)
	}
	w.wantTrash("b deleted 6", "dir/a overwritten 204800")
	if emptied, err := w.c.EmptyTrash(ctx, w.bucket); err != nil || emptied.Objects != 2 {
		t.Error(emptied, err)
	}
	w.wantTrash()
	if _, err := w.c.EmptyTrash(ctx, w.bucket, client.WithPageSize(1)); !errors.Is(err, client.ErrInvalidArgument) {
		t.Error(err)
	}
	for range 2 {
		off, err := w.c.SetBucket(ctx, w.bucket, keeping(0))
		if b, err2 := w.c.Bucket(ctx, w.bucket); err != nil || err2 != nil || off.TrashKeep != 0 || off.Version.IsZero() || b != off {
			t.Error(off, b, err, err2)
		}
	}
	if _, err := w.c.SetBucket(ctx, w.bucket, keeping(time.Hour), client.IfVersion(client.Version{})); !errors.Is(err, client.ErrChanged) {
		t.Error("a late copy of the first change:", err)
	}
	for _, keep := range []time.Duration{-1, 11 * 365 * 24 * time.Hour} {
		if _, err := w.c.SetBucket(ctx, w.bucket, keeping(keep)); !errors.Is(err, client.ErrInvalidArgument) {
			t.Error(keep, err)
		}
	}
	if _, err := w.c.Bucket(ctx, strings.ToUpper(w.bucket)); !errors.Is(err, client.ErrInvalidArgument) {
		t.Error(err)
	}
}
