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
// come back, which makes it a stray and harms nothing. A copy at below or above it stays. One whose
// version cannot be read is set aside instead. Errors: Disk, NotRegistered,
// Unsupported; UnknownOutcome if ctx ends while the disk syncs. An error is no
// acknowledgement.
func (s *Store) Delete(ctx context.Context, h protocol.Hash, below protocol.Version) (Deleted, error) {
	if _, err := s.enter(ctx); err != nil {
		return Deleted{}, err
	}
	defer s.leave()
	unlock, err := s.locks.lock(ctx, h)
	if err != nil {
		return Deleted{}, err
	}
	answer, jobs, err := s.deleteLocked(h, below)
	unlock()
	for _, j := range jobs {
		if _, failed := j.wait(ctx); failed != nil {
			err = errors.Join(err, failed)
		}
	}
	if err != nil {
		return Deleted{}, err
	}
	return answer, nil
}

func (s *Store) deleteLocked(h protocol.Hash, below protocol.Version) (answer Deleted, jobs []*job, err error) {
	for _, d := range s.disks {
		d.acks.meet(below)
		if d.usable() == nil {
			// An earlier Delete may have found the file and be waiting still.
			jobs = append(jobs, d.acks.submit(&job{}))
		}
	}
	for _, c := range s.locate(h) {
		switch {
		case protocol.KindOf(c.err) == protocol.Corrupt:
			if _, err := s.setAside(c.disk, h); err != nil {
				return Deleted{}, jobs, err
			}
		case c.err != nil:
			return Deleted{}, jobs, c.err
		case c.head.Version().Less(below):
			if err := s.unlink(c, h); err != nil {
				return Deleted{}, jobs, err
			}
			jobs = append(jobs, c.disk.acks.submit(&job{dirs: []string{leafName(h)}}))
		case c.disk.usable() != nil:
			return Deleted{}, jobs, c.disk.usable()
		default:
			answer.Kept, answer.Version = true, answer.Version.Max(c.head.Version())
		}
	}
	for _, d := range s.disks {
		if v, found := d.quarantinedVersion(h); found && v.Less(below) {
			if err := d.unlinkQuarantined(h, v); err != nil {
				return Deleted{}, jobs, err
			}
			jobs = append(jobs, d.acks.submit(&job{dirs: []string{dirQuarantine}}))
		}
	}
	return answer, jobs, nil
}

func (s *Store) unlink(c copyOf, h protocol.Hash) error {
	s.sound.remove(h)
	if err := c.disk.fs.Remove(blockName(h)); err != nil && !durable.IsAbsent(err) {
		return c.disk.writeTrouble("remove", err)
	}
	c.disk.blocks.Add(-1)
	c.disk.used.Add(-blockfile.HeaderSize - int64(c.head.StoredSize))
	return nil
}

// Meet makes v, or what is higher, the highest version that every working disk
// has met, durably: after a restart HighestSeen is no lower. Errors: Disk,
// NotRegistered; UnknownOutcome if ctx ends while a disk syncs.
func (s *Store) Meet(ctx context.Context, v protocol.Version) error {
	if _, err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	var jobs []*job
	for _, d := range s.disks {
		d.acks.meet(v)
		if d.usable() == nil {
			jobs = append(jobs, d.acks.submit(&job{meet: true}))
		}
	}
	var failed error
	for _, j := range jobs {
		if _, err := j.wait(ctx); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}
