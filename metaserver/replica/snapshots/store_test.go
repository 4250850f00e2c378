package snapshots

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	"go.uber.org/goleak"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	cluster = protocol.ID{7}
	group   = raft.Configuration{Servers: []raft.Server{
		{ID: "a", Address: "a:1", Suffrage: raft.Voter}, {ID: "b", Address: "b:1", Suffrage: raft.Nonvoter},
	}}
)

type fixture struct {
	*Store
	covered [][2]uint64
}

func open(t *testing.T, dir string) *fixture {
	t.Helper()
	f := &fixture{}
	s, err := Open(Config{Dir: dir, Cluster: func() protocol.ID { return cluster }, Covered: func(index, term uint64) {
		f.covered = append(f.covered, [2]uint64{index, term})
	}})
	if err != nil {
		t.Fatal(err)
	}
	f.Store = s
	return f
}

// take makes a snapshot of a checkpoint with one file.
func (f *fixture) take(t *testing.T, index, term uint64, content string) *Sink {
	t.Helper()
	dir := f.Scratch()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "000001.sst"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	k := f.create(t, index, term)
	if err := k.Adopt(Checkpoint{Dir: dir, Index: index - 1, Term: term}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(k.Close(), k.Close()); err != nil {
		t.Fatal(err)
	}
	return k
}

func (f *fixture) create(t *testing.T, index, term uint64) *Sink {
	t.Helper()
	k, err := f.Create(1, index, term, group, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k.(*Sink)
}

func (f *fixture) stream(t *testing.T, id string) []byte {
	t.Helper()
	meta, r, err := f.Store.Open(id)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close(), r.Close()); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Fatal(err)
	}
	if int64(len(b)) != meta.Size {
		t.Fatalf("%d bytes, announced as %d", len(b), meta.Size)
	}
	return b
}

func TestSnapshotsAreKeptAcrossStarts(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	f.take(t, 10, 2, "ten")
	f.take(t, 20, 2, "twenty")
	list, err := open(t, dir).List()
	if err != nil || len(list) != 2 || list[0].Index != 20 || list[1].Index != 10 {
		t.Fatalf("%+v, %v", list, err)
	}
	m := list[0]
	if m.Term != 2 || m.ConfigurationIndex != 3 || len(m.Configuration.Servers) != 2 || m.Configuration.Servers[1] != group.Servers[1] {
		t.Fatalf("%+v", m)
	}
	if len(f.covered) != 2 || f.covered[1] != [2]uint64{20, 2} {
		t.Fatalf("covered %v", f.covered)
	}
}

func TestMetaBytes(t *testing.T) {
	f := open(t, t.TempDir())
	k := f.create(t, 20, 2)
	k.one.TakenUnixMS = 1234
	dir := f.Scratch()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(k.Adopt(Checkpoint{Dir: dir, Index: 19, Term: 1}), k.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(k.one.dir, "meta.json"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "format": 1,
  "id": "0000000000000020-0000000002-0000",
  "cluster": "07000000000000000000000000000000",
  "index": 20,
  "term": 2,
  "state_index": 19,
  "state_term": 1,
  "size": 100,
  "servers": [
    {
      "id": "a",
      "address": "a:1",
      "voter": true
    },
    {
      "id": "b",
      "address": "b:1",
      "voter": false
    }
  ],
  "configuration_index": 3,
  "taken_unix_ms": 1234
}
`
	if string(got) != want {
		t.Fatalf("%s", got)
	}
}

func TestTheOldestGoButNotFromUnderAReader(t *testing.T) {
	f := open(t, t.TempDir())
	first := f.take(t, 10, 2, strings.Repeat("ten", 1<<20))
	_, r, err := f.Store.Open(first.ID())
	if err != nil {
		t.Fatal(err)
	}
	f.take(t, 20, 2, "twenty")
	f.take(t, 30, 2, "thirty")
	if list, _ := f.List(); len(list) != 3 {
		t.Fatalf("%d snapshots while one is read", len(list))
	}
	if b, err := io.ReadAll(r); err != nil || len(b) < 3<<20 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	_ = r.Close()
	if list, _ := f.List(); len(list) != Keep || list[1].Index != 20 {
		t.Fatalf("%d snapshots afterwards", len(list))
	}
	if _, _, err := f.Store.Open(first.ID()); protocol.KindOf(err) != protocol.NotFound {
		t.Fatalf("an old one: %v", err)
	}
	entries, err := os.ReadDir(f.cfg.Dir)
	if err != nil || len(entries) != Keep {
		t.Fatalf("%v, %v", entries, err)
	}
}

// A reader may hang up at any byte.
func TestAReaderMayHangUp(t *testing.T) {
	f := open(t, t.TempDir())
	k := f.take(t, 10, 2, strings.Repeat("ten", 1<<20))
	_, r, err := f.Store.Open(k.ID())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	if len(f.readers) != 0 {
		t.Fatalf("%v", f.readers)
	}
}

func TestAStreamBecomesASnapshot(t *testing.T) {
	from, to := open(t, t.TempDir()), open(t, t.TempDir())
	b := from.stream(t, from.take(t, 10, 2, "content").ID())
	k := to.create(t, 10, 2)
	for _, c := range b {
		if _, err := k.Write([]byte{c}); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	one, ok := to.Find(10, 2)
	if !ok || one.StateIndex != 9 || one.StateTerm != 2 {
		t.Fatalf("%+v", one)
	}
	got, err := os.ReadFile(filepath.Join(one.Checkpoint(), "000001.sst"))
	if err != nil || string(got) != "content" {
		t.Fatalf("%q, %v", got, err)
	}
	if len(to.covered) != 0 {
		t.Fatal("a received snapshot covers entries before its restore")
	}
	if string(to.stream(t, k.ID())) != string(b) {
		t.Fatal("its stream is another one")
	}
}

// Nothing is left of a stream that is broken, foreign or announced as another.
func TestBrokenStreamsLeaveNothing(t *testing.T) {
	from := open(t, t.TempDir())
	good := from.stream(t, from.take(t, 10, 2, "content").ID())
	flipped := append([]byte(nil), good...)
	flipped[len(flipped)-1] ^= 1
	for name, c := range map[string]struct {
		bytes       []byte
		index, term uint64
	}{
		"cut":             {good[:len(good)-1], 10, 2},
		"flipped":         {flipped, 10, 2},
		"empty":           {nil, 10, 2},
		"another index":   {good, 11, 2},
		"another term":    {good, 10, 3},
		"more than it is": {append(append([]byte(nil), good...), 1), 10, 2},
	} {
		to := open(t, t.TempDir())
		k := to.create(t, c.index, c.term)
		_, _ = k.Write(c.bytes)
		if err := k.Close(); err == nil {
			t.Errorf("%s: taken", name)
		}
		to.nothing(t, name)
	}
	cluster = protocol.ID{8}
	defer func() { cluster = protocol.ID{7} }()
	to := open(t, t.TempDir())
	k := to.create(t, 10, 2)
	_, _ = k.Write(good)
	if err := k.Close(); protocol.KindOf(err) != protocol.WrongCluster {
		t.Errorf("foreign: %v", err)
	}
	to.nothing(t, "foreign")
}

func (f *fixture) nothing(t *testing.T, name string) {
	t.Helper()
	entries, err := os.ReadDir(f.cfg.Dir)
	if list, _ := f.List(); err != nil || len(entries) != 0 || len(list) != 0 {
		t.Errorf("%s: left %v, %v", name, entries, list)
	}
}

func TestGivenUp(t *testing.T) {
	f := open(t, t.TempDir())
	k := f.create(t, 10, 2)
	if _, err := k.Write([]byte("ASHS")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(k.Cancel(), k.Cancel()); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); protocol.KindOf(err) != protocol.Canceled {
		t.Fatalf("closed after it was given up: %v", err)
	}
	f.nothing(t, "given up")
	empty := f.create(t, 10, 2)
	if err := empty.Close(); protocol.KindOf(err) != protocol.Corrupt {
		t.Fatalf("a snapshot without a state: %v", err)
	}
	f.nothing(t, "without a state")
}

// A leader may have to send the same snapshot over and over; the newest is found.
func TestTheSameEntryAgainAndAgain(t *testing.T) {
	f := open(t, t.TempDir())
	last := ""
	for range 12 {
		k := f.take(t, 10, 2, "content")
		if k.ID() <= last {
			t.Fatalf("%s after %s", k.ID(), last)
		}
		last = k.ID()
		if one, ok := f.Find(10, 2); !ok || one.ID != last {
			t.Fatalf("%s is found, not %s", one.ID, last)
		}
		if _, r, err := f.Store.Open(last); err != nil || r.Close() != nil {
			t.Fatal(err)
		}
	}
}

func TestBrokenFoldersAreRefused(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"no meta":     func(dir string) error { return os.Remove(filepath.Join(dir, "meta.json")) },
		"broken meta": func(dir string) error { return os.WriteFile(filepath.Join(dir, "meta.json"), []byte("{"), 0o600) },
		"another format": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "meta.json"), []byte(`{"format":2}`), 0o600)
		},
		"another id": func(dir string) error { return os.Rename(dir, dir+"x") },
	} {
		dir := t.TempDir()
		f := open(t, dir)
		k := f.take(t, 10, 2, "content")
		if err := damage(filepath.Join(dir, k.ID())); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(f.cfg); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func FuzzMeta(f *testing.F) {
	f.Add([]byte(`{"format":1,"id":"x","cluster":"07000000000000000000000000000000","servers":[{"id":"a"}]}`))
	f.Add([]byte(`{"format":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if one, err := parseMeta(b); err == nil {
			one.meta()
		}
	})
}
