package replica

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/link"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
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

// mark is this member's word when the digests are compared.
func (r *Replica) mark() (link.Mark, error) {
	if m := r.marked.Load(); m != nil {
		return *m, nil
	}
	v, err := r.states.view()
	if err != nil {
		return link.Mark{}, err
	}
	row, err := state.ClusterRow(v)
	if err = errors.Join(err, v.Close()); err != nil || len(row.MarkDigest) == 0 {
		return link.Mark{}, err
	}
	return markOf(&record.DigestResult{Mark: row.Mark, Digest: row.MarkDigest})
}

// maxRecalled bounds the entries that are looked through for the last mark at a start.
const maxRecalled = 1 << 13

// recallMark looks for the entry of the last mark, backwards from the last that the
// state has applied, so that what was found before a start is found after it too. Where
// it does not come upon one, the next mark will be known.
func (r *Replica) recallMark(g *generation) {
	applied, _ := g.machine.Applied()
	for i := applied; i > 0 && applied-i < maxRecalled; i-- {
		var l raft.Log
		if r.logs.GetLog(i, &l) != nil {
			return
		}
		if l.Type == raft.LogCommand && state.Marks(l.Data) {
			g.machine.Remember(i)
			r.publishMark(g)
			return
		}
	}
}

func (r *Replica) publishMark(g *generation) {
	index, at, digest := g.machine.Marked()
	if len(digest) == protocol.HashSize {
		r.marked.Store(&link.Mark{Index: index, At: at, Digest: protocol.Hash(digest)})
	}
}

func markOf(d *record.DigestResult) (link.Mark, error) {
	digest, err := protocol.HashFromBytes(d.GetDigest())
	at := protocol.Version{Generation: d.GetMark().GetGeneration(), Counter: d.GetMark().GetCounter()}
	return link.Mark{Index: d.GetIndex(), At: at, Digest: digest}, err
}

// Agreed is what a majority of voters had at a mark, of which this member had own. The
// others are asked until a majority has said the same: they apply the mark when they
// hear that it is committed. Unavailable: ctx ended before, or another mark has
// followed. Corrupt: all have answered, and no majority agrees.
//
// The mark's entry tells which mark it is, where a member knows it; its version may be
// another one in a state that has parted.
func (r *Replica) Agreed(ctx context.Context, own *record.DigestResult) (*record.DigestResult, error) {
	mine, err := markOf(own)
	if err != nil {
		return nil, err
	}
	said := map[string]link.Mark{r.id: mine}
	for {
		voters, votes := 0, map[link.Mark]int{}
		var silent []raft.Server
		for _, s := range r.servers() {
			if s.Suffrage != raft.Voter {
				continue
			}
			voters++
			if m, ok := said[string(s.ID)]; ok {
				votes[m]++
			} else {
				silent = append(silent, s)
			}
		}
		for m, n := range votes {
			if n > voters/2 {
				mark := &pb.Version{Generation: m.At.Generation, Counter: m.At.Counter}
				return &record.DigestResult{Mark: mark, Digest: m.Digest[:], Index: m.Index}, nil
			}
		}
		if voters > 0 && len(silent) == 0 {
			return nil, protocol.Errorf(protocol.Corrupt, "the metaservers hold %d different states at %v, and no majority agrees", len(votes), mine.At)
		}
		for id, m := range r.askMarks(ctx, silent) {
			switch order(m, mine) {
			case 0:
				m.Index = mine.Index
				said[id] = m
			case 1:
				return nil, protocol.Errorf(protocol.Unavailable, "digests: the mark %v is followed by %v", mine.At, m.At)
			}
		}
		pause(ctx, r.cfg.HeartbeatTimeout/20)
		if ctx.Err() != nil {
			return nil, protocol.Errorf(protocol.Unavailable, "digests: no majority has told its own at %v: %w", mine.At, context.Cause(ctx))
		}
	}
}

// order tells which of two marks is the later one, 0 if they are the same entry's.
func order(a, b link.Mark) int {
	if a.Index == 0 || b.Index == 0 {
		return a.At.Compare(b.At)
	}
	return cmp.Compare(a.Index, b.Index)
}

// askMarks asks all of them at once and returns who has answered.
func (r *Replica) askMarks(ctx context.Context, of []raft.Server) map[string]link.Mark {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.HeartbeatTimeout)
	defer cancel()
	var mu sync.Mutex
	var group sync.WaitGroup
	marks := map[string]link.Mark{}
	for _, s := range of {
		group.Go(func() {
			m, err := r.layer.AskMark(ctx, string(s.ID), string(s.Address))
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			marks[string(s.ID)] = m
		})
	}
	group.Wait()
	return marks
}
