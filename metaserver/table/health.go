package table

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// health is pebble's logger, and what a table knows about its own end. Pebble
// calls Fatalf where it cannot go on; a library must not end the process, so
// the failure is kept, told once, and every verb fails from then on (*poison*).
type health struct {
	log     *slog.Logger
	onFatal func(error)
	once    sync.Once
	failed  atomic.Pointer[error]
}

// fail keeps the first failure, tells it, and returns it.
func (h *health) fail(what string, err error) error {
	h.once.Do(func() {
		err := fmt.Errorf("metadata table: %s: %w", what, err)
		h.failed.Store(&err)
		h.log.Error("the metadata table failed and answers nothing any more", "error", err)
		if h.onFatal != nil {
			go h.onFatal(err)
		}
	})
	return h.err()
}

func (h *health) err() error {
	if p := h.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// slow tells of an operation that takes long; the table goes on.
func (h *health) slow(i vfs.DiskSlowInfo) {
	h.log.Warn("the disk under the metadata table is slow", "what", i.String())
}

// Infof implements pebble.Logger.
func (h *health) Infof(f string, args ...any) { h.log.Debug(fmt.Sprintf(f, args...), "part", "pebble") }

// Errorf implements pebble.Logger.
func (h *health) Errorf(f string, args ...any) {
	h.log.Warn(fmt.Sprintf(f, args...), "part", "pebble")
}

// Fatalf implements pebble.Logger, and returns.
func (h *health) Fatalf(f string, args ...any) { _ = h.fail("pebble", fmt.Errorf(f, args...)) }
