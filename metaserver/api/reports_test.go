package api

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func TestReportsAreBoundedAndDamped(t *testing.T) {
	var lines bytes.Buffer
	r := newReports(slog.New(slog.NewTextHandler(&lines, nil)))
	now := time.Unix(1000, 0)
	for i := range 3 * MaxRecentReports {
		r.add(Report{Hash: protocol.Hash{byte(i), byte(i >> 8), 1}, Node: 1, Cause: protocol.Corrupt, Times: 1}, now)
	}
	if len(r.recent) != MaxRecentReports || r.count() != 3*MaxRecentReports {
		t.Errorf("remembers %d of %d, counts %d", len(r.recent), 3*MaxRecentReports, r.count())
	}
	if n := bytes.Count(lines.Bytes(), []byte("\n")); n != 1 {
		t.Errorf("%d log lines for a burst, want 1", n)
	}
	last := r.recent[len(r.recent)-1]
	r.add(last, now.Add(reportLogPause))
	if got := r.recent[len(r.recent)-1]; got.Times != 2 || len(r.recent) != MaxRecentReports {
		t.Errorf("the same complaint again is %+v", got)
	}
	if n := bytes.Count(lines.Bytes(), []byte("\n")); n != 2 {
		t.Errorf("%d log lines after the pause, want 2", n)
	}
}
