package store

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// held is a copy that is good and written, and whose acknowledgement is under way.
type held struct {
	disk *disk
	info Info
	job  *job
}

// claim waits until all is durable and counted, and says so.
func (h *held) claim(ctx context.Context, adm *admission) (protocol.Claim, error) {
	ack, err := h.job.wait(ctx)
	if err != nil {
		return protocol.Claim{}, err
	}
	return protocol.Claim{
		Hash: h.info.Hash, Version: h.info.Version, Node: adm.node, Incarnation: adm.incarnation,
		Disk: h.disk.number.Load(), Ack: ack, PlainSize: h.info.PlainSize, StoredSize: h.info.StoredSize,
	}, nil
}

// Touch raises a present copy to max(v, what it was at), after its bytes were
// verified in this start, and acknowledges it. Errors: NotFound if no disk has
// it (ENOENT, nothing else), Quarantined if it is, or turned out, bad; Disk,
// NotRegistered; UnknownOutcome if ctx ends while the disk syncs.
func (s *Store) Touch(ctx context.Context, h protocol.Hash, v protocol.Version) (protocol.Claim, error) {
	adm, err := s.enter(ctx)
	if err != nil {
		return protocol.Claim{}, err
	}
	defer s.exit(adm)
	unlock, err := s.locks.lock(ctx, h)
	if err != nil {
		return protocol.Claim{}, err
	}
	held, err := s.touchLocked(ctx, h, v)
	unlock()
	if err != nil {
		return protocol.Claim{}, err
	}
	return held.claim(ctx, adm)
}

func (s *Store) touchLocked(ctx context.Context, h protocol.Hash, v protocol.Version) (*held, error) {
	var unknown error
	for _, c := range s.locate(h) {
		held, err := s.touchCopy(ctx, h, c, v)
		if err == nil {
			return held, nil
		}
		if protocol.KindOf(err) == protocol.Corrupt {
			_, err = s.setAside(c.disk, h)
		}
		if err != nil {
			unknown = err
		}
	}
	if unknown != nil {
		return nil, unknown
	}
	return nil, s.gone(h)
}

// gone tells why no disk has a usable copy of h.
func (s *Store) gone(h protocol.Hash) error {
	for _, d := range s.disks {
		if d.isQuarantined(h) {
			return protocol.Errorf(protocol.Quarantined, "block %s was found bad and set aside", h)
		}
	}
	return protocol.Errorf(protocol.NotFound, "block %s is not here", h)
}

// touchCopy brings one copy to v or above and submits its acknowledgement. The
// first one of a start rewrites a slot even if the version stays: what a process
// before this one wrote, and failed to sync, may be in memory only. Corrupt means
// that the file is bad and still where it was.
func (s *Store) touchCopy(ctx context.Context, h protocol.Hash, c copyOf, v protocol.Version) (*held, error) {
	if c.err != nil {
		return nil, c.err
	}
	if err := c.disk.usable(); err != nil {
		return nil, err
	}
	sound := s.sound.has(h, c.disk)
	if !sound {
		if err := s.verify(ctx, c.disk, h); err != nil {
			return nil, err
		}
	}
	if !sound || c.head.Version().Less(v) {
		c.disk.acks.meet(v)
		if err := c.disk.raise(h, v); err != nil {
			s.sound.remove(h)
			return nil, err
		}
		c.head.Raise(v)
		s.sound.add(h, c.disk)
	}
	return &held{disk: c.disk, info: c.info(h), job: c.disk.acks.submit()}, nil
}

// raise rewrites the older slot of h's header and syncs it.
func (d *disk) raise(h protocol.Hash, v protocol.Version) error {
	file, head, err := d.openBlock(h, true)
	if err != nil {
		return d.present(err)
	}
	defer file.Close()
	off, slot := head.Raise(v)
	if _, err := file.WriteAt(slot[:], off); err != nil {
		return d.writeTrouble("write a version", err)
	}
	if err := file.Datasync(); err != nil {
		return d.fail("sync a version", err)
	}
	return nil
}

// present is for the errors of a file that was there under the same lock: absent
// now means that somebody else removed it, and that nothing is known.
func (d *disk) present(err error) error {
	if protocol.KindOf(err) == protocol.Internal {
		return d.trouble("open", err)
	}
	return err
}
