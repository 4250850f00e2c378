package replica

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/snapshots"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	snap := func(index, state uint64) evidence {
		return evidence{snapshot: snapshots.Snapshot{Index: index, Term: 2, StateIndex: state, StateTerm: 2}, hasSnapshot: true}
	}
	with := func(e evidence, first, last, applied, appliedTerm, logTerm uint64) evidence {
		e.first, e.last, e.applied, e.appliedTerm, e.logTerm = first, last, applied, appliedTerm, logTerm
		return e
	}
	for name, c := range map[string]struct {
		e       evidence
		restore bool
		refuse  string
	}{
		"a new folder":                         {evidence{}, false, ""},
		"a log from its beginning":             {with(evidence{}, 1, 20, 10, 1, 1), false, ""},
		"a state that lags its log":            {with(evidence{}, 1, 20, 0, 0, 0), false, ""},
		"a log without its beginning":          {with(evidence{}, 5, 20, 10, 1, 1), false, "begins at entry 5"},
		"a state newer than the log":           {with(evidence{}, 1, 9, 10, 1, 0), false, "ends at 9"},
		"a state and no log":                   {with(evidence{}, 0, 0, 10, 1, 0), false, "ends at 0"},
		"a log of another history":             {with(evidence{}, 1, 20, 10, 1, 2), false, "not of one history"},
		"a snapshot and what follows":          {with(snap(10, 9), 11, 20, 15, 2, 2), false, ""},
		"a snapshot and all before":            {with(snap(10, 9), 1, 20, 9, 2, 2), false, ""},
		"a snapshot and nothing else":          {with(snap(10, 9), 0, 0, 9, 2, 0), false, ""},
		"a state older than the snapshot":      {with(snap(10, 9), 8, 20, 8, 2, 2), true, ""},
		"an empty state under a snapshot":      {with(snap(10, 9), 11, 20, 0, 0, 0), true, ""},
		"a gap after the snapshot":             {with(snap(10, 9), 12, 20, 15, 2, 2), false, "no snapshot covers"},
		"a log that ends before the state":     {with(snap(10, 9), 5, 12, 13, 2, 0), false, "ends at 12"},
		"a longer, different log under it":     {with(snap(10, 9), 1, 20, 9, 2, 1), false, ""},
		"a state beyond it of another history": {with(snap(10, 9), 1, 20, 12, 2, 1), false, "not of one history"},
	} {
		restore, err := judge(c.e)
		switch {
		case c.refuse == "" && (err != nil || restore != c.restore):
			t.Errorf("%s: restore %v, %v", name, restore, err)
		case c.refuse != "" && (protocol.KindOf(err) != protocol.Corrupt || !strings.Contains(err.Error(), c.refuse) || !strings.Contains(err.Error(), "replace-member")):
			t.Errorf("%s: %v", name, err)
		}
	}
}

// stopped is a group of one with snapshots and some entries after them, stopped.
func stopped(t *testing.T) *member {
	t.Helper()
	g := newGroup(t, 1, func(cfg *Config) { cfg.TrailingLogs = 1 })
	m := g.members[0]
	for range 20 {
		g.put("key", "old")
	}
	if err := m.Snapshot(); err != nil {
		t.Fatal(err)
	}
	if got := m.Status(); got.FirstLog < 10 || got.Snapshot.Index == 0 {
		t.Fatalf("no snapshot: %+v", got)
	}
	for range 20 {
		g.put("key", "new")
	}
	m.stop()
	return m
}

// copyTree is an old backup of a folder.
func copyTree(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func refused(t *testing.T, m *member) {
	t.Helper()
	err := m.open()
	if err == nil || protocol.KindOf(err) != protocol.Corrupt || !strings.Contains(err.Error(), "replace-member") {
		t.Fatalf("not refused with its recovery step: %v", err)
	}
}

func TestFoldersThatLostAPartAreRefused(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(dir string) error{
		"log":       func(dir string) error { return os.Remove(filepath.Join(dir, logFile)) },
		"state":     func(dir string) error { return os.RemoveAll(filepath.Join(dir, stateFolder)) },
		"CURRENT":   func(dir string) error { return os.Remove(filepath.Join(dir, stateFolder, currentFile)) },
		"snapshots": func(dir string) error { return os.RemoveAll(filepath.Join(dir, snapFolder)) },
		"log and snapshots": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, logFile)), os.RemoveAll(filepath.Join(dir, snapFolder)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := stopped(t)
			if err := damage(m.dir); err != nil {
				t.Fatal(err)
			}
			refused(t, m)
		})
	}
}

func TestAnOlderLogIsRefused(t *testing.T) {
	t.Parallel()
	m := stopped(t)
	backup := copyTree(t, m.dir)
	m.start()
	m.g.put("key", "newest")
	m.stop()
	if err := errors.Join(os.Remove(filepath.Join(m.dir, logFile)), os.Rename(filepath.Join(backup, logFile), filepath.Join(m.dir, logFile))); err != nil {
		t.Fatal(err)
	}
	refused(t, m)
}

// A state that is older than the snapshot, as after a crash between a snapshot's
// arrival and its restore, is replaced by the snapshot; the log does the rest.
func TestAnOlderStateIsReplacedByTheSnapshot(t *testing.T) {
	t.Parallel()
	m := stopped(t)
	empty := t.TempDir()
	cfg, err := Config{Dir: empty, Listener: stub{}, Advertise: "x"}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(m.dir, stateFolder)
	if err := errors.Join(newFolder(cfg, nil).format(), os.RemoveAll(state), os.Rename(filepath.Join(empty, stateFolder), state)); err != nil {
		t.Fatal(err)
	}
	m.start()
	if got, err := m.g.leader().get(within(t), pb.Level_LEVEL_LINEARIZABLE, "key"); err != nil || got != "new" {
		t.Fatalf("read %q, %v", got, err)
	}
	m.g.same()
	m.stop()
	entries, err := os.ReadDir(state)
	if err != nil || len(entries) != 2 {
		t.Fatalf("the old state is left behind: %v, %v", entries, err)
	}
	m.start()
}

// What a crash leaves beside the state that counts goes.
func TestUnfinishedWorkIsSwept(t *testing.T) {
	t.Parallel()
	m := stopped(t)
	left := []string{
		filepath.Join(m.dir, stateFolder, "00000009"), filepath.Join(m.dir, snapFolder, "tmp-1"),
	}
	for _, dir := range left {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	m.start()
	for _, dir := range left {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("%s is still there: %v", dir, err)
		}
	}
	m.g.put("key", "value")
}

func TestABrokenCurrentIsRefused(t *testing.T) {
	t.Parallel()
	m := stopped(t)
	for _, content := range []string{"", "1\n", "00000001", "../0001\n", "000000001\n"} {
		if err := os.WriteFile(filepath.Join(m.dir, stateFolder, currentFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := m.open(); protocol.KindOf(err) != protocol.Corrupt {
			t.Fatalf("%q: %v", content, err)
		}
	}
}

func TestTheFolderIsOneMembersOfOneCluster(t *testing.T) {
	t.Parallel()
	m := stopped(t)
	m.g.tweak = func(cfg *Config) { cfg.ID = "another" }
	if err := m.open(); protocol.KindOf(err) != protocol.InvalidArgument {
		t.Fatalf("another member: %v", err)
	}
	m.g.tweak = func(cfg *Config) { cfg.Cluster = protocol.ID{9} }
	if err := m.open(); protocol.KindOf(err) != protocol.WrongCluster {
		t.Fatalf("another cluster: %v", err)
	}
	m.g.tweak = func(cfg *Config) { cfg.ID = "" }
	m.start()
	if m.ID() != m.name || m.Cluster() != m.g.cluster {
		t.Fatalf("the folder remembers %q of %s", m.ID(), m.Cluster())
	}
}
