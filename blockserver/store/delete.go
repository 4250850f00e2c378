package store

import (
	"context"
	"errors"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/blockfile"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Deleted is the answer to Delete(h, t): none below t is left; if Kept, a file
// at Version >= t is there. Kept says what is on disk and is not yet a claim: a
// Touch at Version makes it one.
type Deleted struct {
	Kept    bool
	Version protocol.Version
}

// Delete removes every copy of h whose version is below, quarantined ones too,
// and answers when that is durable. On a disk that failed what is absent now may
// come back, which makes it a stray and harms nothing. A copy at below or above it
// stays. One whose version cannot be read is set aside instead. Errors: Disk,
// NotRegistered, Unsupported, Canceled. An error is no acknowledgement.
func (s *Store) Delete(ctx context.Context, h protocol.Hash, below protocol.Version) (Deleted, error) {
	adm, err := s.enter(ctx)
	if err != nil {
		return Deleted{}, err
	}
	defer s.exit(adm)
	unlock, err := s.locks.lock(ctx, h)
	if err != nil {
		return Deleted{}, err
	}
	defer unlock()
	for _, d := range s.disks {
		d.acks.meet(below)
	}
	answer, err := s.deleteCopies(h, below)
	if err != nil {
		return Deleted{}, err
	}
	for _, d := range s.disks {
		if v, found := d.quarantinedVersion(h); found && v.Less(below) {
			if err := d.unlinkQuarantined(h); err != nil {
				return Deleted{}, err
			}
		}
	}
	return answer, nil
}

func (s *Store) deleteCopies(h protocol.Hash, below protocol.Version) (answer Deleted, err error) {
	for _, c := range s.locate(h) {
		switch {
		case protocol.KindOf(c.err) == protocol.Corrupt:
			_, err = s.setAside(c.disk, h)
		case c.err != nil:
			err = c.err
		case c.head.Version().Less(below):
			err = s.unlink(c, h)
		default:
			answer.Kept, answer.Version = true, answer.Version.Max(c.head.Version())
			err = c.disk.usable()
		}
		if err != nil {
			return Deleted{}, err
		}
	}
	return answer, nil
}

// unlink removes a copy, durably.
func (s *Store) unlink(c copyOf, h protocol.Hash) error {
	s.sound.remove(h)
	if err := c.disk.fs.Remove(blockName(h)); err != nil && !durable.IsAbsent(err) {
		return c.disk.writeTrouble("remove", err)
	}
	c.disk.blocks.Add(-1)
	c.disk.used.Add(-blockfile.HeaderSize - int64(c.head.StoredSize))
	return c.disk.syncDir(leafName(h))
}

// Meet makes v, or what is higher, the highest version that every working disk
// has met, durably: after a restart HighestSeen is no lower. Errors: Disk,
// NotRegistered; UnknownOutcome or Canceled if ctx ends while a disk syncs.
func (s *Store) Meet(ctx context.Context, v protocol.Version) error {
	adm, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer s.exit(adm)
	var jobs []*job
	var failed error
	for _, d := range s.disks {
		d.acks.meet(v)
		if d.usable() == nil {
			j, err := d.acks.offer(ctx)
			if err != nil {
				failed = errors.Join(failed, err)
				continue
			}
			jobs = append(jobs, j)
		}
	}
	for _, j := range jobs {
		if _, err := j.wait(ctx); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}
