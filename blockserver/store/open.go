package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/blockfile"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Open opens the disks, and formats folders that are empty: with no marker, no
// block and nothing of anybody else's. Refusals are InvalidArgument or
// WrongCluster; a marker or count that cannot be read is Corrupt, and a failing
// disk is Disk. All that it finds is synced once before anything is acknowledged,
// and temporary files are removed. After a crash it reads every header once.
func Open(cfg Config) (*Store, error) {
	if len(cfg.Dirs) == 0 || len(cfg.Dirs) > protocol.MaxDisks {
		return nil, refuse("a node has 1 to %d data folders, not %d", protocol.MaxDisks, len(cfg.Dirs))
	}
	if err := cfg.Marks.Check(); err != nil {
		return nil, err
	}
	s := &Store{log: cfg.Logger, marks: cfg.Marks, locks: newLocks(), sound: newSound()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.open(&cfg); err != nil {
		for _, d := range s.disks {
			err = errors.Join(err, d.abandon())
		}
		return nil, err
	}
	for _, d := range s.disks {
		d.acks.start()
	}
	return s, nil
}

func (s *Store) open(cfg *Config) (err error) {
	if s.codecs, err = newCodecs(); err != nil {
		return err
	}
	for _, dir := range cfg.Dirs {
		d, err := s.mount(dir)
		if err != nil {
			return err
		}
		s.disks = append(s.disks, d)
		if err := d.take(); err != nil {
			return err
		}
	}
	if err := s.identify(cfg); err != nil {
		return err
	}
	for _, d := range s.disks {
		if err := d.recover(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) mount(dir Dir) (*disk, error) {
	d := &disk{log: s.log, path: dir.Path, fs: dir.FS, capacity: dir.Capacity, marks: s.marks, quarantined: map[protocol.Hash]protocol.Version{}}
	if d.fs != nil {
		return d, nil
	}
	if err := durable.MakeRoot(dir.Path); err != nil {
		return nil, d.trouble("make", err)
	}
	real, err := durable.OpenReal(dir.Path)
	if err != nil {
		return nil, d.trouble("open", err)
	}
	d.fs, d.ownsFS = real, true
	return d, nil
}

// take locks the disk against other processes, and reads its marker; without one
// the folder must be empty.
func (d *disk) take() error {
	if _, err := d.fs.Stat(nameMarker); durable.IsAbsent(err) {
		if err := d.checkEmpty(); err != nil {
			return err
		}
	} else if err != nil {
		return d.trouble("look for "+nameMarker, err)
	}
	if err := d.fs.Mkdir(dirData); err != nil && !errors.Is(err, fs.ErrExist) {
		return d.trouble("make "+dirData, err)
	}
	lock, err := d.fs.Lock(nameLock)
	if err != nil {
		return d.trouble("lock", err)
	}
	d.lock = lock
	content, err := durable.Read(d.fs, nameMarker, maxMarker)
	switch {
	case durable.IsAbsent(err):
		return d.checkEmpty()
	case err != nil:
		return d.trouble("read "+nameMarker, err)
	}
	if d.marker, err = parseMarker(content); err != nil {
		return protocol.Errorf(protocol.KindOf(err), "%s: %w", d.path, err)
	}
	return nil
}

// checkEmpty refuses a folder without a marker unless it holds nothing, or no
// more than a formatting that was cut short.
func (d *disk) checkEmpty() error {
	foreign, err := d.firstOther(".", dirData, dirTmp, dirQuarantine, "lost+found")
	if err != nil {
		return err
	}
	if foreign == "" {
		if foreign, err = d.firstOther(dirData, append(topDigits(), path.Base(nameAcks), path.Base(nameLock))...); err != nil {
			return err
		}
	}
	if foreign == "" {
		// Formatting leaves no other names there; a start would sweep them away.
		if foreign, err = d.firstOther(dirTmp, path.Base(nameAcksTmp), path.Base(nameMarkerTmp)); err != nil {
			return err
		}
	}
	inner := []string{dirQuarantine}
	for _, top := range topDigits() {
		inner = append(inner, dirData+"/"+top)
	}
	for _, dir := range inner {
		if foreign != "" {
			break
		}
		if foreign, err = d.firstOther(dir); err != nil {
			return err
		}
	}
	if foreign != "" {
		return refuse("%s is not empty (%s) and has no %s: not a disk of this node, or not mounted", d.path, foreign, nameMarker)
	}
	return nil
}

// firstOther returns the first name of dir that is not allowed; an absent
// directory has none.
func (d *disk) firstOther(dir string, allowed ...string) (string, error) {
	entries, err := d.fs.ReadDir(dir)
	if durable.IsAbsent(err) {
		return "", nil
	}
	if err != nil {
		return "", d.trouble("list "+dir, err)
	}
	for _, e := range entries {
		if !slices.Contains(allowed, e.Name) {
			return dir + "/" + e.Name, nil
		}
	}
	return "", nil
}

// identify checks that the disks are one node's, all of them, and formats the
// empty ones into it.
func (s *Store) identify(cfg *Config) error {
	var found []marker
	for _, d := range s.disks {
		if !d.marker.Disk.IsZero() {
			found = append(found, d.marker)
		}
	}
	agreed, err := settle(found, cfg.Forget)
	if err != nil {
		return err
	}
	if cfg.Cluster != nil {
		if want := cfg.Cluster(); !want.IsZero() && !agreed.Cluster.IsZero() && agreed.Cluster != want {
			return protocol.Errorf(protocol.WrongCluster, "the disks belong to cluster %s, not to %s", agreed.Cluster, want)
		}
	}
	if agreed.Identity.IsZero() {
		if agreed.Identity, err = newID(cfg.random()); err != nil {
			return err
		}
	}
	s.identity = agreed.Identity
	for _, d := range s.disks {
		if d.marker.Disk.IsZero() {
			if err := d.format(&agreed, cfg.random()); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(agreed.Disks, func(a, b protocol.ID) int { return bytes.Compare(a[:], b[:]) })
	for _, d := range s.disks {
		want := agreed
		want.Disk = d.marker.Disk
		if !d.marker.equal(want) {
			if err := d.writeMarker(want); err != nil {
				return err
			}
		}
	}
	return nil
}

// format makes the folder a disk. The marker comes last: until it is durable the
// folder is an empty one, and a marker never names a disk that has none yet.
func (d *disk) format(agreed *marker, random io.Reader) error {
	id, err := newID(random)
	if err != nil {
		return err
	}
	dirs := []string{dirData, dirTmp, dirQuarantine}
	for _, top := range topDigits() {
		dirs = append(dirs, dirData+"/"+top)
	}
	for _, dir := range dirs {
		if err := d.fs.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return d.trouble("make "+dir, err)
		}
	}
	for _, dir := range []string{dirData, "."} {
		if err := d.fs.SyncDir(dir); err != nil {
			return d.fail("sync "+dir, err)
		}
	}
	if err := durable.Replace(d.fs, nameAcks, nameAcksTmp, newAcks(id)); err != nil {
		return d.trouble("write "+nameAcks, err)
	}
	agreed.Disks = append(agreed.Disks, id)
	mine := *agreed
	mine.Disk, mine.Disks = id, slices.Clone(agreed.Disks)
	return d.writeMarker(mine)
}

// recover makes what the last process left fit to be relied on.
func (d *disk) recover() (err error) {
	if d.acks, err = openAcks(d); err != nil {
		return err
	}
	if err := d.sweep(); err != nil {
		return err
	}
	if err := d.fs.SyncAll(); err != nil {
		return d.fail("sync", err)
	}
	if err := d.loadQuarantine(); err != nil {
		return err
	}
	if d.acks.now.clean {
		d.blocks.Store(int64(d.acks.now.blocks))
		d.used.Store(int64(d.acks.now.bytes))
	} else if err := d.recount(); err != nil {
		return err
	}
	// From here on a crash makes the counts inexact again.
	return d.acks.write(0, false)
}

// sweep removes files that never got a name.
func (d *disk) sweep() error {
	entries, err := d.fs.ReadDir(dirTmp)
	if err != nil {
		return d.trouble("list "+dirTmp, err)
	}
	for _, e := range entries {
		if err := d.fs.Remove(dirTmp + "/" + e.Name); err != nil {
			return d.trouble("sweep "+dirTmp, err)
		}
	}
	return nil
}

// recount counts the block files and meets their versions.
func (d *disk) recount() error {
	for _, top := range topDigits() {
		leaves, err := d.fs.ReadDir(dirData + "/" + top)
		if err != nil {
			return d.trouble("list "+dirData+"/"+top, err)
		}
		for _, leaf := range leaves {
			if !isLeaf(leaf) {
				continue
			}
			hashes, err := d.listLeaf(top + leaf.Name)
			if err != nil {
				return err
			}
			for _, h := range hashes {
				d.countFile(h)
			}
		}
	}
	return nil
}

func (d *disk) countFile(h protocol.Hash) {
	d.blocks.Add(1)
	file, head, err := d.openBlock(h, false)
	if err == nil {
		_ = file.Close()
		d.used.Add(blockfile.HeaderSize + int64(head.StoredSize))
		d.acks.meet(head.Version())
		return
	}
	// It is found again, and dealt with, when somebody wants it.
	d.log.Warn("block file is unreadable", "path", d.path, "hash", h.String(), "err", err)
	if entry, err := d.fs.Stat(blockName(h)); err == nil {
		d.used.Add(entry.Size)
	}
}

// abandon lets go of a disk whose opening failed, without touching its counts.
func (d *disk) abandon() error {
	var errs []error
	if d.acks != nil {
		errs = append(errs, d.acks.file.Close())
	}
	d.acks = nil
	return errors.Join(append(errs, d.close())...)
}

func newID(random io.Reader) (id protocol.ID, err error) {
	for id.IsZero() && err == nil {
		_, err = io.ReadFull(random, id[:])
	}
	return id, err
}

// topDigits returns the names of the 256 directories of the first level.
func topDigits() []string {
	names := make([]string, 256)
	for i := range names {
		names[i] = hex.EncodeToString([]byte{byte(i)})
	}
	return names
}
