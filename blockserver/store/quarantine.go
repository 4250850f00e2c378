package store

import (
	"context"
	"errors"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/blockfile"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Verify reads a copy and checks everything about it. A bad one is set aside,
// durably, before the answer Quarantined. Errors: NotFound, Quarantined, Disk.
func (s *Store) Verify(ctx context.Context, h protocol.Hash) (Info, error) {
	if err := s.enterReading(ctx); err != nil {
		return Info{}, err
	}
	defer s.leave()
	unlock, err := s.locks.lock(ctx, h)
	if err != nil {
		return Info{}, err
	}
	defer unlock()
	var good *copyOf
	var unknown error
	for _, c := range s.locate(h) {
		err := s.verify(ctx, c.disk, h)
		if protocol.KindOf(err) == protocol.Corrupt {
			s.log.Error("block file is bad", "path", c.disk.path, "hash", h.String(), "err", err)
			_, err = s.setAside(c.disk, h)
		} else if err == nil && good == nil {
			good = &c
		}
		if err != nil {
			unknown = c.disk.present(err)
		}
	}
	switch {
	case unknown != nil:
		return Info{}, unknown
	case good == nil:
		return Info{}, s.gone(h)
	}
	return good.info(h), nil
}

// Quarantine sets every copy of h aside, durably, whatever its bytes. Without a
// copy the error is NotFound, or Quarantined if that was done before.
func (s *Store) Quarantine(h protocol.Hash) error {
	if err := s.enterReading(context.Background()); err != nil {
		return err
	}
	defer s.leave()
	unlock, err := s.locks.lock(context.Background(), h)
	if err != nil {
		return err
	}
	defer unlock()
	copies := s.locate(h)
	for _, c := range copies {
		if _, err := s.setAside(c.disk, h); err != nil {
			return err
		}
	}
	if len(copies) == 0 {
		return s.gone(h)
	}
	return nil
}

// setAside moves h's file on d into quarantine and returns when both directories
// are durable; under h's lock. The file's version stays with it in its name, so
// that a later store does not go below it; one that cannot be read counts as the
// highest that the disk has met. Returns that version.
func (s *Store) setAside(d *disk, h protocol.Hash) (protocol.Version, error) {
	s.sound.remove(h)
	v, size, err := d.lastWords(h)
	if err != nil {
		return protocol.Version{}, err
	}
	if err := d.fs.Rename(blockName(h), quarantineName(h, v)); err != nil {
		if _, gone := d.fs.Stat(blockName(h)); gone != nil {
			// It may have moved, and then nobody would remember its version.
			return protocol.Version{}, d.fail("quarantine", err)
		}
		return protocol.Version{}, d.trouble("quarantine", err)
	}
	// A crash in the middle of an earlier one may have left both names to one file.
	// Then a rename does nothing and succeeds.
	if _, err := d.fs.Stat(blockName(h)); err == nil {
		if err := d.fs.Remove(blockName(h)); err != nil {
			return protocol.Version{}, d.fail("quarantine", err)
		}
	}
	for _, dir := range []string{dirQuarantine, leafName(h)} {
		if err := d.syncDir(dir); err != nil {
			return protocol.Version{}, err
		}
	}
	d.blocks.Add(-1)
	d.used.Add(-size)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.quarantined[h] = d.quarantined[h].Max(v)
	return v, nil
}

// lastWords reads what can still be read of a bad file: its version and length.
func (d *disk) lastWords(h protocol.Hash) (protocol.Version, int64, error) {
	entry, err := d.fs.Stat(blockName(h))
	if err != nil {
		return protocol.Version{}, 0, d.trouble("stat", err)
	}
	file, head, err := d.openBlock(h, false)
	if err != nil {
		return d.highest(), entry.Size, nil
	}
	return head.Version(), blockfile.HeaderSize + int64(head.StoredSize), file.Close()
}

func quarantineName(h protocol.Hash, v protocol.Version) string {
	return dirQuarantine + "/" + h.String() + "-" + v.String()
}

// loadQuarantine reads the names of what was set aside in earlier starts.
func (d *disk) loadQuarantine() error {
	entries, err := d.fs.ReadDir(dirQuarantine)
	if err != nil {
		return d.trouble("list "+dirQuarantine, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range entries {
		digits, version, _ := strings.Cut(e.Name, "-")
		h, err1 := protocol.ParseHash(digits)
		v, err2 := protocol.ParseVersion(version)
		if err := errors.Join(err1, err2); err != nil {
			d.log.Warn("foreign file in quarantine", "path", d.path, "name", protocol.Quote(e.Name))
			continue
		}
		d.quarantined[h] = d.quarantined[h].Max(v)
	}
	return nil
}

func (d *disk) quarantinedVersion(h protocol.Hash) (protocol.Version, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, found := d.quarantined[h]
	return v, found
}

func (d *disk) isQuarantined(h protocol.Hash) bool {
	_, found := d.quarantinedVersion(h)
	return found
}

func (d *disk) quarantinedAt(h protocol.Hash) protocol.Version {
	v, _ := d.quarantinedVersion(h)
	return v
}

// unlinkQuarantined removes what was set aside of h, durably.
func (d *disk) unlinkQuarantined(h protocol.Hash) error {
	entries, err := d.fs.ReadDir(dirQuarantine)
	if err != nil {
		return d.trouble("list "+dirQuarantine, err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name, h.String()+"-") {
			continue
		}
		if err := d.fs.Remove(dirQuarantine + "/" + e.Name); err != nil && !durable.IsAbsent(err) {
			return d.writeTrouble("remove", err)
		}
	}
	if err := d.syncDir(dirQuarantine); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.quarantined, h)
	return nil
}
