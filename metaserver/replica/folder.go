package replica

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/bundle"
	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/snapshots"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// The folder of a replica:
//
//	raft.db                    the log, the term, the vote, the identity (package logstore)
//	state/CURRENT              the name of the state folder that counts, and a line feed
//	state/00000001/            a Pebble database
//	snapshots/ID/checkpoint/   a Pebble checkpoint: never opened, only linked or streamed
//	snapshots/ID/meta.json     what it is a snapshot of
//
// CURRENT is replaced by rename, so it names a complete state at any moment.
// What it does not name is left from a restore that did not finish, and goes.
const (
	logFile     = "raft.db"
	stateFolder = "state"
	snapFolder  = "snapshots"
	currentFile = "CURRENT"
	firstState  = "00000001"
	stateDigits = 8
)

// folder is where the states lie, and how they are opened.
type folder struct {
	dir     string // Dir/state
	options table.PebbleConfig
}

func newFolder(cfg Config, onFatal func(error)) *folder {
	return &folder{
		dir:     filepath.Join(cfg.Dir, stateFolder),
		options: table.PebbleConfig{CacheBytes: cfg.CacheBytes, Logger: cfg.Logger, OnFatal: onFatal},
	}
}

// current is the name that CURRENT holds; "" if there is no such file.
func (f *folder) current() (string, error) {
	b, err := os.ReadFile(filepath.Join(f.dir, currentFile))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	name, found := strings.CutSuffix(string(b), "\n")
	if _, err := strconv.ParseUint(name, 10, 32); err != nil || !found || len(name) != stateDigits {
		return "", protocol.Errorf(protocol.Corrupt, "replica: %s holds %q, not the name of a state", currentFile, b)
	}
	return name, nil
}

// format makes the first, empty state. Until CURRENT names it, it can be made
// again.
func (f *folder) format() error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	dir := filepath.Join(f.dir, firstState)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	options := f.options
	options.Dir, options.Create = dir, true
	t, err := table.OpenPebble(options)
	if err != nil {
		return err
	}
	if err := errors.Join(t.Sync(), t.Close()); err != nil {
		return err
	}
	return f.point(firstState)
}

// point makes name the state that counts: the commit point of a restore.
func (f *folder) point(name string) error {
	if err := errors.Join(bundle.SyncDir(filepath.Join(f.dir, name)), bundle.SyncDir(f.dir)); err != nil {
		return err
	}
	return bundle.WriteFile(f.dir, currentFile, []byte(name+"\n"))
}

// open opens the state called name.
func (f *folder) open(name string) (*generation, error) {
	options := f.options
	options.Dir = filepath.Join(f.dir, name)
	t, err := table.OpenPebble(options)
	if err != nil {
		return nil, err
	}
	m, err := state.Open(t)
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return &generation{dir: options.Dir, table: t, machine: m}, nil
}

// install opens a copy of a snapshot's checkpoint as the next state, checks that
// it is what the snapshot says, and makes it the one that counts. It may be
// repeated after a crash at any point.
func (f *folder) install(s snapshots.Snapshot) (*generation, error) {
	name, err := f.next()
	if err != nil {
		return nil, err
	}
	if err := clone(s.Checkpoint(), filepath.Join(f.dir, name)); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	g, err := f.open(name)
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	index, term := g.machine.Applied()
	if index != s.StateIndex || term != s.StateTerm {
		err := protocol.Errorf(protocol.Corrupt, "restore: snapshot %s holds entry %d of term %d, not %d of %d", s.ID, index, term, s.StateIndex, s.StateTerm)
		return nil, errors.Join(err, g.table.Close())
	}
	if err := g.table.Sync(); err != nil {
		return nil, errors.Join(err, g.table.Close())
	}
	if err := f.point(name); err != nil {
		return nil, errors.Join(err, g.table.Close())
	}
	return g, nil
}

// next is the name after CURRENT's. Nothing that counts lies there.
func (f *folder) next() (string, error) {
	name, err := f.current()
	if err != nil {
		return "", err
	}
	n, _ := strconv.ParseUint(name, 10, 32)
	name = fmt.Sprintf("%0*d", stateDigits, n+1)
	return name, os.RemoveAll(filepath.Join(f.dir, name))
}

// sweep removes the states that CURRENT does not name.
func (f *folder) sweep() error {
	name, err := f.current()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != name && e.Name() != currentFile {
			err = errors.Join(err, os.RemoveAll(filepath.Join(f.dir, e.Name())))
		}
	}
	return err
}

// clone copies a checkpoint: tables, which nobody ever changes, by hard link, and
// the few other files by their bytes.
func clone(from, to string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		source, target := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if strings.HasSuffix(e.Name(), ".sst") || strings.HasSuffix(e.Name(), ".blob") {
			err = os.Link(source, target)
		} else {
			err = copyFile(source, target)
		}
		if err != nil {
			return err
		}
	}
	return bundle.SyncDir(to)
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Sync()
}

// evidence is what lies in the folder at a start.
type evidence struct {
	// first and last bound the log; 0 and 0: empty.
	first, last uint64
	// snapshot is the newest one, if there is one.
	snapshot    snapshots.Snapshot
	hasSnapshot bool
	// applied and appliedTerm are the last entry in the state; logTerm is the
	// log's term for that entry, 0 if the log does not have it.
	applied, appliedTerm, logTerm uint64
}

// recoverBy is the step that every refusal ends with.
const recoverBy = "recovery step replace-member: remove this member from the group, empty its folder, and let it join as a new member"

func refuse(format string, args ...any) error {
	return protocol.Errorf(protocol.Corrupt, format+"; "+recoverBy, args...)
}

// judge decides how a start goes on: as it is, or with the newest snapshot first.
// It refuses where log, snapshots and state cannot be parts of one history, as
// after a folder was lost or put back from an older copy.
func judge(e evidence) (restore bool, err error) {
	covered := uint64(0)
	if e.hasSnapshot {
		covered = e.snapshot.Index
	}
	if e.last > 0 && e.first > covered+1 {
		return false, refuse("the log begins at entry %d, and no snapshot covers the entries before it (the newest ends at %d)", e.first, covered)
	}
	if end := max(e.last, covered); e.applied > end {
		return false, refuse("the state has applied entry %d, but the log ends at %d: the log was lost or is an older one", e.applied, end)
	}
	if e.hasSnapshot && e.applied < e.snapshot.StateIndex {
		return true, nil
	}
	if e.applied > covered && e.logTerm != e.appliedTerm {
		return false, refuse("the state has applied entry %d of term %d, but the log's is of term %d: they are not of one history", e.applied, e.appliedTerm, e.logTerm)
	}
	return false, nil
}
