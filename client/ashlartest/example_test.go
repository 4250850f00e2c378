package ashlartest_test

import (
	"io"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client/ashlartest"
)

func TestStart(t *testing.T) {
	c := ashlartest.Start(t, ashlartest.WithMetaservers(1), ashlartest.WithBlockservers(1))
	if _, err := c.Client().Put(t.Context(), "bucket", "name", strings.NewReader(strings.Repeat("x", 10_000))); err != nil {
		t.Fatal(err)
	}
	r, err := c.Client().Get(t.Context(), "bucket", "name")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || len(got) != 10_000 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
