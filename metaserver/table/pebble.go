package table

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
)

// format is the on-disk format that new databases take. Raising it is a step of
// its own, with a note to operators: older binaries cannot open what follows.
const format = pebble.FormatValueSeparation

// slowDisk is how long one disk operation may take before it is logged.
const slowDisk = 5 * time.Second

// PebbleConfig says where a Pebble table lies and how it behaves.
type PebbleConfig struct {
	// Dir is the database's own folder.
	Dir string
	// Create makes a new database in a folder that has none; without it a folder
	// without a database is an error, and with it a folder with one is.
	Create bool
	// CacheBytes sizes the block cache; default 64 MiB.
	CacheBytes int64
	// MemTableBytes bounds one memtable and so the log that a checkpoint copies;
	// default 16 MiB.
	MemTableBytes uint64
	// FS is the file system; nil is the real one.
	FS vfs.FS
	// Logger takes pebble's own messages; nil discards them.
	Logger *slog.Logger
	// OnFatal is told the first failure after which the table answers nothing. It
	// is called on a goroutine of its own, at most once.
	OnFatal func(error)
}

// Pebble is a table on disk. It is safe for concurrent use; writes come from one
// goroutine at a time.
type Pebble struct {
	db     *pebble.DB
	cache  *pebble.Cache
	health *health
	watch  io.Closer
	closed atomic.Bool
}

// OpenPebble opens or, with Create, makes the database.
func OpenPebble(cfg PebbleConfig) (*Pebble, error) {
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = 64 << 20
	}
	if cfg.MemTableBytes == 0 {
		cfg.MemTableBytes = 16 << 20
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.FS == nil {
		cfg.FS = vfs.Default
	}
	p := &Pebble{health: &health{log: cfg.Logger, onFatal: cfg.OnFatal}, cache: pebble.NewCache(cfg.CacheBytes)}
	// Left to itself, pebble watches the disk too, but not to the end of a failed Open.
	cfg.FS, p.watch = vfs.WithDiskHealthChecks(cfg.FS, slowDisk, nil, p.health.slow)
	var err error
	if p.db, err = pebble.Open(cfg.Dir, options(cfg, p.cache, p.health)); err != nil {
		return nil, errors.Join(fmt.Errorf("table %s: %w", cfg.Dir, err), p.release())
	}
	if err := p.health.err(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// release gives back what outlives the database.
func (p *Pebble) release() error {
	p.cache.Unref()
	return p.watch.Close()
}

// options keeps the log on: it makes what survives a crash a prefix of the
// batches even when nothing was synced.
func options(cfg PebbleConfig, cache *pebble.Cache, h *health) *pebble.Options {
	o := &pebble.Options{
		Cache:               cache,
		FS:                  cfg.FS,
		FormatMajorVersion:  format,
		ErrorIfNotExists:    !cfg.Create,
		ErrorIfExists:       cfg.Create,
		MemTableSize:        cfg.MemTableBytes,
		MaxManifestFileSize: 16 << 20,
		Logger:              h,
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { h.fail("background", err) },
			DataCorruption:  func(i pebble.DataCorruptionInfo) { h.fail("corruption", errors.New(i.String())) },
		},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}

// Get returns a copy of the value of key.
func (p *Pebble) Get(key []byte) ([]byte, bool, error) {
	if err := p.health.err(); err != nil {
		return nil, false, err
	}
	return get(p.db, key)
}

// Scan walks the present moment.
func (p *Pebble) Scan(lower, upper []byte, fn func(key, value []byte) bool) error {
	if err := p.health.err(); err != nil {
		return err
	}
	return scan(p.db, lower, upper, fn)
}

// View returns the present moment. It keeps what it sees on disk until Close.
func (p *Pebble) View() state.View {
	return &pebbleView{snapshot: p.db.NewSnapshot(), health: p.health}
}

// Write applies a sorted batch, not durably. After an error, also of the disk
// behind an earlier batch, the table is poisoned and answers nothing.
func (p *Pebble) Write(sorted []state.Mutation) error {
	if err := p.health.err(); err != nil {
		return err
	}
	b := p.db.NewBatch()
	defer b.Close()
	for _, m := range sorted {
		if err := stage(b, m); err != nil {
			return p.health.fail("batch", err)
		}
	}
	if err := p.commit(b); err != nil {
		return p.health.fail("write", err)
	}
	return p.health.err()
}

// commit turns the panics with which pebble meets a failed log into errors.
func (p *Pebble) commit(b *pebble.Batch) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("pebble: %v", r)
		}
	}()
	return b.Commit(pebble.NoSync)
}

func stage(b *pebble.Batch, m state.Mutation) error {
	if m.Delete {
		return b.Delete(m.Key, nil)
	}
	return b.Set(m.Key, m.Value, nil)
}

// Sync makes every Write that has returned durable.
func (p *Pebble) Sync() error {
	if err := p.health.err(); err != nil {
		return err
	}
	if err := p.db.LogData(nil, pebble.Sync); err != nil {
		return p.health.fail("sync", err)
	}
	return p.health.err()
}

// Checkpoint makes dir, which must not exist, a database with everything that
// was written so far, durable when it returns. A failure, as of a full disk,
// leaves the table as it was, unless pebble says otherwise. Its cost is that of hard links,
// whatever the table's size, plus a copy of at most two memtables' log.
func (p *Pebble) Checkpoint(dir string) error {
	if err := p.health.err(); err != nil {
		return err
	}
	if err := p.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
		return err
	}
	return p.health.err()
}

// Close closes the database; every View must have been closed. It is idempotent.
func (p *Pebble) Close() (err error) {
	if p.closed.Swap(true) {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("pebble: close: %v", r)
		}
		err = errors.Join(err, p.release())
	}()
	return errors.Join(p.db.Close(), p.health.err())
}

// pebbleView reads a pebble snapshot.
type pebbleView struct {
	snapshot *pebble.Snapshot
	health   *health
	once     sync.Once
	err      error
}

func (v *pebbleView) Get(key []byte) ([]byte, bool, error) {
	if err := v.health.err(); err != nil {
		return nil, false, err
	}
	return get(v.snapshot, key)
}

func (v *pebbleView) Scan(lower, upper []byte, fn func(key, value []byte) bool) error {
	if err := v.health.err(); err != nil {
		return err
	}
	return scan(v.snapshot, lower, upper, fn)
}

func (v *pebbleView) Close() error {
	v.once.Do(func() { v.err = v.snapshot.Close() })
	return v.err
}

// get copies: pebble's slice lives only until its closer is closed.
func get(r pebble.Reader, key []byte) ([]byte, bool, error) {
	value, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	out := append(make([]byte, 0, len(value)), value...)
	return out, true, closer.Close()
}

func scan(r pebble.Reader, lower, upper []byte, fn func(key, value []byte) bool) error {
	if len(upper) > 0 && bytes.Compare(lower, upper) >= 0 {
		return nil
	}
	if len(lower) == 0 {
		lower = nil
	}
	if len(upper) == 0 {
		upper = nil
	}
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return errors.Join(err, it.Close())
		}
		if !fn(it.Key(), value) {
			break
		}
	}
	return errors.Join(it.Error(), it.Close())
}
