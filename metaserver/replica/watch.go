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
	v, err := r.states.view()
	if err != nil {
		return link.Mark{}, err
	}
	row, err := state.ClusterRow(v)
	if err = errors.Join(err, v.Close()); err != nil || len(row.MarkDigest) == 0 {
		return link.Mark{}, err
	}
	return markOf(&record.DigestResult{Mark: row.Mark, Digest: row.MarkDigest, Index: row.MarkIndex})
}

func markOf(d *record.DigestResult) (link.Mark, error) {
	digest, err := protocol.HashFromBytes(d.GetDigest())
	at := protocol.Version{Generation: d.GetMark().GetGeneration(), Counter: d.GetMark().GetCounter()}
	return link.Mark{Index: d.GetIndex(), At: at, Digest: digest}, err
}

// Agreed is what a majority of voters had at a mark, of which this member had own. The
// others are asked until a majority has said the same: they apply the mark when they
// hear that it is committed. Corrupt: some have said another thing, and nobody knows of
// a majority, for ctx has ended or all have answered. Unavailable: ctx has ended, and
// nobody has said another thing; or another mark has followed; or too many are of a
// build that does not know the question.
//
// The mark's entry tells which mark it is; its version may be another one in a state
// that has parted.
func (r *Replica) Agreed(ctx context.Context, own *record.DigestResult) (*record.DigestResult, error) {
	mine, err := markOf(own)
	if err != nil {
		return nil, err
	}
	p := poll{said: map[string]link.Mark{r.id: mine}, mute: map[string]bool{}}
	for {
		silent, voters := p.count(r.servers())
		if most, ok := p.majority(voters); ok {
			mark := &pb.Version{Generation: most.At.Generation, Counter: most.At.Counter}
			return &record.DigestResult{Mark: mark, Digest: most.Digest[:], Index: most.Index}, nil
		}
		if voters > 0 && len(silent) == 0 || ctx.Err() != nil {
			return nil, p.undecided(mine, context.Cause(ctx))
		}
		for id, said := range r.askMarks(ctx, silent) {
			if protocol.KindOf(said.err) == protocol.Unsupported {
				p.mute[id] = true
			}
			if said.err != nil {
				continue
			}
			switch order(said.mark, mine) {
			case 0:
				p.said[id] = said.mark
			case 1:
				return nil, protocol.Errorf(protocol.Unavailable, "digests: the mark %v is followed by %v", mine.At, said.mark.At)
			}
		}
		pause(ctx, r.cfg.HeartbeatTimeout/20)
	}
}

// poll is what members have said of one mark, and who will say nothing.
type poll struct {
	said map[string]link.Mark
	mute map[string]bool
	// votes are what those have said who are voters now.
	votes map[link.Mark]int
}

// count counts the votes, and returns who may answer still, and how many voters there
// are. Who is no voter any more has no say, whatever it said when it was one.
func (p *poll) count(servers []raft.Server) (silent []raft.Server, voters int) {
	p.votes = map[link.Mark]int{}
	for _, s := range servers {
		if s.Suffrage != raft.Voter {
			continue
		}
		voters++
		if m, said := p.said[string(s.ID)]; said {
			p.votes[m]++
		} else if !p.mute[string(s.ID)] {
			silent = append(silent, s)
		}
	}
	return silent, voters
}

func (p *poll) majority(voters int) (link.Mark, bool) {
	for m, n := range p.votes {
		if n > voters/2 {
			return m, true
		}
	}
	return link.Mark{}, false
}

// decideBy is the step where states differ and nobody knows which is right: to replace
// a member, as elsewhere, could wipe the right one.
const decideBy = "replace no member: start those that do not answer, then this one again, and the majority tells; if all have answered, restore a backup"

func (p *poll) undecided(mine link.Mark, cause error) error {
	if len(p.votes) > 1 {
		return protocol.Errorf(protocol.Corrupt, "the metaservers that answer hold %d different states at %v, and no majority agrees; %s", len(p.votes), mine.At, decideBy)
	}
	return protocol.Errorf(protocol.Unavailable, "digests: no majority has told its own at %v: %v", mine.At, cause)
}

// order tells which of two marks is the later one, 0 if they are the same entry's. One
// without an index was set before this build, and so before any with one; its version
// tells nothing, for that of a state that has parted may be any.
func order(a, b link.Mark) int { return cmp.Compare(a.Index, b.Index) }

// told is one member's answer to the question for its mark.
type told struct {
	mark link.Mark
	err  error
}

// askMarks asks all of them at once.
func (r *Replica) askMarks(ctx context.Context, of []raft.Server) map[string]told {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.HeartbeatTimeout)
	defer cancel()
	var mu sync.Mutex
	var group sync.WaitGroup
	answers := map[string]told{}
	for _, s := range of {
		group.Go(func() {
			m, err := r.layer.AskMark(ctx, string(s.ID), string(s.Address))
			mu.Lock()
			defer mu.Unlock()
			answers[string(s.ID)] = told{m, err}
		})
	}
	group.Wait()
	return answers
}

// GiveUp ends this replica, as a state that is wrong or may be does.
func (r *Replica) GiveUp(why error) { r.fatal(why) }
