package store

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/blockfile"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Stat reads a copy's header. Errors: NotFound, Quarantined, Disk, Unsupported.
func (s *Store) Stat(h protocol.Hash) (Info, error) {
	b, err := s.Get(context.Background(), h)
	if err != nil {
		return Info{}, err
	}
	return b.Info, b.Close()
}

// Block is a copy opened for reading. It stays readable after a Delete, a Touch
// or a Quarantine. It is not safe for concurrent use.
type Block struct {
	Info  Info
	store *Store
	disk  *disk
	file  durable.File
	head  blockfile.Header
	ctx   context.Context
}

// Get opens a copy for reading, the one of the highest version. ctx bounds the
// waiting of Plain, too. A copy with a bad header is set aside, if there is no
// other. Errors are those of Stat.
func (s *Store) Get(ctx context.Context, h protocol.Hash) (*Block, error) {
	b, err := s.get(ctx, h)
	if protocol.KindOf(err) != protocol.Corrupt {
		return b, err
	}
	if _, verdict := s.Verify(ctx, h); verdict != nil {
		return nil, verdict
	}
	return s.get(ctx, h)
}

func (s *Store) get(ctx context.Context, h protocol.Hash) (*Block, error) {
	if err := s.enterReading(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	var best *Block
	var unknown error
	for _, d := range s.disks {
		file, head, err := d.openBlock(h, false)
		switch {
		case durable.IsAbsent(err):
			continue
		case err != nil:
			unknown = err
			continue
		}
		c := copyOf{disk: d, head: head}
		b := &Block{Info: c.info(h), store: s, disk: d, file: file, head: head, ctx: ctx}
		if best != nil && !best.Info.Version.Less(b.Info.Version) {
			b, best = best, b
		}
		if best != nil {
			_ = best.Close()
		}
		best = b
	}
	switch {
	case best != nil:
		return best, nil
	case unknown != nil:
		return nil, unknown
	}
	return nil, s.gone(h)
}

// Stored appends the zstd frames to dst, as they are in the file: who receives
// them checks them against the hash. Errors: Corrupt, Disk.
func (b *Block) Stored(dst []byte) ([]byte, error) {
	return b.disk.readStored(b.file, b.head, dst)
}

// Plain appends the plain bytes, verified against the hash, to dst. A copy that
// turns out bad is set aside, and the answer is Quarantined; Disk means that
// nothing is known.
func (b *Block) Plain(dst []byte) ([]byte, error) {
	out, err := b.plain(dst)
	if protocol.KindOf(err) != protocol.Corrupt {
		return out, err
	}
	if _, verdict := b.store.Verify(b.ctx, b.Info.Hash); verdict != nil {
		return dst, verdict
	}
	return dst, err
}

func (b *Block) plain(dst []byte) ([]byte, error) {
	buf := getBuffer()
	defer putBuffer(buf)
	var err error
	if *buf, err = b.Stored(*buf); err != nil {
		return dst, err
	}
	if err := b.store.enterReading(b.ctx); err != nil {
		return dst, err
	}
	defer b.store.leave()
	codec, err := b.store.codecs.get(b.ctx)
	if err != nil {
		return dst, err
	}
	defer b.store.codecs.put(codec)
	return codec.Decode(b.Info.Hash, *buf, b.head.PlainSize, dst)
}

// Close releases the file.
func (b *Block) Close() error {
	if err := b.file.Close(); err != nil {
		return b.disk.trouble("close", err)
	}
	return nil
}
