package replica

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// watcher is what a replica looks at now and then, on the leadership's goroutine:
// whether the log's disk moves, and whether this is a member still.
type watcher struct {
	// unmute ends the silence that a stalled disk began; nil while there is none.
	unmute func()
	// asked is when the others were asked last.
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
// that removes it, and often does not, and next to never that it is committed. So
// who has no leader, or a log that does not name it, asks the others; a new member,
// which no committed configuration names, is told nothing.
func (r *Replica) watchMembership() {
	w, last := &r.watcher, r.committed.newest()
	if last.named && r.Removed(r.id) {
		r.tellRemoved()
		return
	}
	leader, _ := r.node().LeaderWithID()
	settled := leader != "" && (!last.known() || named(r.servers(), r.id))
	joining := last.known() && !named(last.servers, r.id)
	if settled || joining || time.Since(w.asked) < r.cfg.ElectionTimeout || w.busy.Swap(true) {
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

// removed says, on a leader, that id is no member. As with a linearizable read, a
// majority must have said after the question that this one leads still: the leader
// after it may have made id a member.
func (r *Replica) removed(id string) bool {
	if !r.joined.Load() || !r.lead.now.Load().Leader || !r.Removed(id) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.cfg.HeartbeatTimeout)
	defer cancel()
	return r.rounds.wait(ctx) == nil && r.Removed(id)
}

// Removed says that id is no member, as far as this replica has applied the log:
// neither the newest configuration known to be committed names it, nor one that may
// become so. A change that is not committed removes nobody: whoever was told so would
// be wiped, and be missing if the change is lost. Where nothing is known of the group
// yet, nobody is removed.
func (r *Replica) Removed(id string) bool {
	last := r.committed.newest()
	return last.known() && !named(last.servers, id) && !named(r.servers(), id)
}

func named(servers []raft.Server, id string) bool {
	return slices.ContainsFunc(servers, func(s raft.Server) bool { return string(s.ID) == id })
}

// configuration is who was in the group as of the entry at index.
type configuration struct {
	index   uint64
	servers []raft.Server
	// named is set if this configuration or one before it names this member.
	named bool
}

func (c configuration) known() bool { return c.index > 0 }

// committed keeps the newest configuration that this member knows to be committed:
// that of the newest snapshot, what the state has applied after it, then what the
// applier comes upon. The zero configuration says that none is known.
type committed struct {
	// self is this member's id.
	self string
	last atomic.Pointer[configuration]
}

func (c *committed) newest() configuration {
	if last := c.last.Load(); last != nil {
		return *last
	}
	return configuration{}
}

// learn is called by one goroutine at a time. What is older than what is known, as
// in a snapshot that comes late, changes nothing.
func (c *committed) learn(index uint64, servers []raft.Server) {
	last := c.newest()
	if index > last.index {
		c.last.Store(&configuration{index: index, servers: servers, named: last.named || named(servers, c.self)})
	}
}
