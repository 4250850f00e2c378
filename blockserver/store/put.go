package store

import (
	"context"
	"errors"
	"io/fs"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/blockfile"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// PutRequest is a block to store.
type PutRequest struct {
	Hash    protocol.Hash
	Version protocol.Version
	// Body is the plain bytes, or zstd frames if Zstd is set. Put does not keep it.
	Body []byte
	Zstd bool
	// PlainSize is the declared length of the plain bytes; -1 if unknown, which
	// bounds it by protocol.MaxBlockSize.
	PlainSize int
	// Ordered: the leader wants the copy, so it may take the room that is kept from
	// clients (Marks.Reserve).
	Ordered bool
}

// parcel is a body that was verified, in the form that the file gets.
type parcel struct {
	hash      protocol.Hash
	plainSize uint32
	stored    []byte
}

// Put stores a block, or finds it present and good, and acknowledges it at
// max(r.Version, what it was at). A present copy that turns out bad is set aside
// and replaced. Errors: TooLarge, ShortBody, SizeExceeded, HashMismatch,
// InvalidArgument and Unsupported for what is no acceptable zstd, Full, Disk,
// NotRegistered; UnknownOutcome if ctx ends while the disk syncs, Canceled before.
func (s *Store) Put(ctx context.Context, r PutRequest) (protocol.Claim, error) {
	adm, err := s.enter(ctx)
	if err != nil {
		return protocol.Claim{}, err
	}
	defer s.exit(adm)
	buf := getBuffer()
	defer putBuffer(buf)
	p, err := s.check(ctx, r, buf)
	if err != nil {
		return protocol.Claim{}, err
	}
	unlock, err := s.locks.lock(ctx, r.Hash)
	if err != nil {
		return protocol.Claim{}, err
	}
	held, err := s.putLocked(ctx, adm, p, r)
	unlock()
	if err != nil {
		return protocol.Claim{}, err
	}
	return held.claim(ctx, adm)
}

// check verifies the body and brings it into the form that is stored; what has
// to be compressed here goes into buf.
func (s *Store) check(ctx context.Context, r PutRequest, buf *[]byte) (parcel, error) {
	codec, err := s.codecs.get(ctx)
	if err != nil {
		return parcel{}, err
	}
	defer s.codecs.put(codec)
	plain, asIs := r.Body, false
	if r.Zstd {
		plain, asIs, err = codec.Accept(r.Hash, r.Body, r.PlainSize)
	} else {
		err = blockfile.CheckPlain(r.Hash, r.Body, r.PlainSize)
	}
	if err != nil {
		return parcel{}, err
	}
	p := parcel{hash: r.Hash, plainSize: uint32(len(plain)), stored: r.Body}
	if !asIs {
		*buf = codec.Compress(plain, (*buf)[:0])
		p.stored = *buf
	}
	return p, nil
}

// putLocked makes h present at r.Version or above, under h's lock.
func (s *Store) putLocked(ctx context.Context, adm *admission, p parcel, r PutRequest) (*held, error) {
	v := r.Version
	for _, d := range s.disks {
		v = v.Max(d.quarantinedAt(p.hash))
	}
	for _, c := range s.locate(p.hash) {
		if c.disk.usable() != nil {
			// Its bytes may not be durable, so they are stored again elsewhere, above
			// any version that the failed disk can have acknowledged.
			v = v.Max(c.disk.highest())
			continue
		}
		held, err := s.touchCopy(ctx, p.hash, c, v)
		if err == nil {
			return held, nil
		}
		if protocol.KindOf(err) != protocol.Corrupt {
			return nil, err
		}
		at, err := s.setAside(c.disk, p.hash)
		if err != nil {
			return nil, err
		}
		v = v.Max(at)
	}
	return s.storeNew(adm, p, v, r.purpose())
}

// storeNew writes a file where none is.
func (s *Store) storeNew(adm *admission, p parcel, v protocol.Version, why purpose) (*held, error) {
	size := blockfile.HeaderSize + int64(len(p.stored))
	d, err := s.choose(why, size)
	if err != nil {
		return nil, err
	}
	head := blockfile.NewHeader(v, p.plainSize, uint32(len(p.stored)), adm.cluster)
	if err := d.reserve(size); err != nil {
		return nil, err
	}
	defer d.reserved.Add(-size)
	d.acks.meet(v)
	if err := d.publish(p, head); err != nil {
		return nil, err
	}
	d.blocks.Add(1)
	d.used.Add(size)
	s.sound.add(p.hash, d)
	return &held{disk: d, info: (&copyOf{disk: d, head: head}).info(p.hash), job: d.acks.submit()}, nil
}

// leafDurable reports whether the directory of p's hashes is known to be durable.
func (d *disk) leafDurable(p uint16) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.leaves[p]
}

// syncNames makes h's name durable, and that of its directory. Every hand syncs
// for itself: file systems commit their journal for all who wait at once.
func (d *disk) syncNames(h protocol.Hash) error {
	if err := d.syncDir(leafName(h)); err != nil {
		return err
	}
	p := leafOf(h)
	if d.leafDurable(p) {
		return nil
	}
	if err := d.syncDir(topName(h)); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leaves[p] = true
	return nil
}

// syncDir syncs a directory. An error is final: the disk has failed.
func (d *disk) syncDir(dir string) error {
	if err := d.fs.SyncDir(dir); err != nil {
		return d.fail("sync "+dir, err)
	}
	return nil
}

// publish writes the file aside, syncs it, gives it its name and syncs that.
// After an error nothing has the name, or the disk has failed.
func (d *disk) publish(p parcel, head blockfile.Header) error {
	tmp, name := d.tmpName(), blockName(p.hash)
	header := head.Encode()
	if err := d.writeSynced(tmp, header[:], p.stored); err != nil {
		return errors.Join(err, d.dropTmp(tmp))
	}
	if !d.leafDurable(leafOf(p.hash)) {
		if err := d.fs.Mkdir(leafName(p.hash)); err != nil && !errors.Is(err, fs.ErrExist) {
			return errors.Join(d.trouble("make "+leafName(p.hash), err), d.dropTmp(tmp))
		}
	}
	if err := d.fs.Rename(tmp, name); err != nil {
		if durable.IsExhausted(err) {
			return errors.Join(d.trouble("rename", err), d.dropTmp(tmp))
		}
		// It may have happened all the same, and a name that nobody syncs must not be
		// found by the next Put.
		return errors.Join(d.trouble("rename", err), d.drop(tmp), d.drop(name))
	}
	return d.syncNames(p.hash)
}

// writeSynced writes a new file. Its sync is the one that counts, and is never
// repeated: an error makes the disk suspect.
func (d *disk) writeSynced(name string, parts ...[]byte) error {
	file, err := d.fs.Create(name)
	if err != nil {
		return d.trouble("create", err)
	}
	var off int64
	for _, part := range parts {
		if _, err := file.WriteAt(part, off); err != nil {
			return errors.Join(d.writeTrouble("write", err), file.Close())
		}
		off += int64(len(part))
	}
	if err := file.Sync(); err != nil {
		return errors.Join(d.writeTrouble("sync", err), file.Close())
	}
	if err := file.Close(); err != nil {
		return d.writeTrouble("close", err)
	}
	return nil
}

// writeTrouble is trouble for bytes: no room is no fault of the disk's, anything
// else is.
func (d *disk) writeTrouble(verb string, err error) error {
	if durable.IsFull(err) {
		return d.trouble(verb, err)
	}
	return d.fail(verb, err)
}

// dropTmp is drop for a file aside, which nobody comes upon: without a file descriptor
// to reach it by, it waits for the next Open.
func (d *disk) dropTmp(name string) error {
	err := d.fs.Remove(name)
	if durable.IsExhausted(err) {
		return d.trouble("remove "+name, err)
	}
	return d.removed(name, err)
}

// drop removes a name that must not stay; if that cannot be known, the disk has
// failed.
func (d *disk) drop(name string) error {
	return d.removed(name, d.fs.Remove(name))
}

// removed judges how the removal of a name that must not stay has ended.
func (d *disk) removed(name string, err error) error {
	if err != nil && !durable.IsAbsent(err) {
		return d.fail("remove "+name, err)
	}
	return nil
}
