package replica

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// watcher is what a replica looks at now and then, on the leadership's goroutine:
// whether the log's disk moves, and whether this is a member still.
type watcher struct {
	// unmute ends the silence that a stalled disk began; nil while there is none.
	unmute func()
	// was is set once the configuration has named this member, asked when the
	// others were asked last.
	was   bool
	asked time.Time
	busy  atomic.Bool
	told  sync.Once
}

// stallFactor times ElectionTimeout is how long a write of the log may take before
// this member hangs up.
const stallFactor = 2

func (r *Replica) watch() {
	r.watchDisk()
	r.watchMembership()
}

// watchDisk mutes the port while a write of the log takes too long: raft's
// heartbeats would go on meanwhile and keep a leader that cannot lead.
func (r *Replica) watchDisk() {
	w, stalled := &r.watcher, r.logs.Stalled() > stallFactor*r.cfg.ElectionTimeout
	switch {
	case stalled && w.unmute == nil:
		w.unmute = r.layer.Mute()
	case !stalled && w.unmute != nil:
		w.unmute()
		w.unmute = nil
	default:
		return
	}
	r.cfg.Logger.Warn("the raft log's disk", "stalled", stalled)
}

// watchMembership tells OnRemoved. Raft does its best to send a member the entry
// that removes it, and often does not: who has no leader asks the others.
func (r *Replica) watchMembership() {
	w := &r.watcher
	is := r.isMember()
	w.was = w.was || is
	if w.was && !is {
		r.tellRemoved()
		return
	}
	leader, _ := r.node().LeaderWithID()
	if !is || leader != "" || time.Since(w.asked) < r.cfg.ElectionTimeout || w.busy.Swap(true) {
		return
	}
	w.asked = time.Now()
	go func() {
		defer w.busy.Store(false)
		r.askWhetherRemoved()
	}()
}

func (r *Replica) tellRemoved() {
	r.watcher.told.Do(func() {
		r.cfg.Logger.Warn("the group has removed this member")
		if r.cfg.OnRemoved != nil {
			go r.cfg.OnRemoved()
		}
	})
}

// askWhetherRemoved calls on the members that this one knows. Only a leader says
// that somebody is no member.
func (r *Replica) askWhetherRemoved() {
	for _, s := range r.servers() {
		if string(s.ID) == r.id || r.serving() != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), r.cfg.HeartbeatTimeout)
		c, err := r.layer.DialTerm(ctx, string(s.ID), string(s.Address))
		cancel()
		if err == nil {
			_ = c.Close()
		}
		if protocol.KindOf(err) == protocol.Removed {
			r.tellRemoved()
			return
		}
	}
}

// removed says, on a leader that serves, that id is no member.
func (r *Replica) removed(id string) bool {
	if !r.joined.Load() || !r.lead.now.Load().Leader {
		return false
	}
	for _, s := range r.servers() {
		if string(s.ID) == id {
			return false
		}
	}
	return true
}
