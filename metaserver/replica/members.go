package replica

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/link"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Member is one member of the Raft group.
type Member struct {
	ID          string
	RaftAddress string
	// Voter is false while the member only follows.
	Voter bool
}

// Status is what a replica knows about itself and its group, at one moment or
// nearly so.
type Status struct {
	ID          string
	Cluster     protocol.ID
	RaftAddress string
	// Leadership is this replica's own.
	Leadership Leadership
	// LeaderID and LeaderAddress name the leader that this replica follows or is;
	// empty while none is known.
	LeaderID, LeaderAddress string
	Term                    uint64
	// AppliedIndex is the last entry handed to the state, FirstLog and LastLog
	// bound the log, CommitIndex is what a majority is known to have.
	AppliedIndex, CommitIndex, FirstLog, LastLog uint64
	// Version is the state's last version here.
	Version protocol.Version
	Members []Member
	// Snapshot is the newest snapshot on disk; zero if there is none.
	Snapshot SnapshotStatus
	// Connections is how many the raft port has accepted and holds.
	Connections int
	// Entries and Commands count what this member has proposed: commands divided
	// by entries is the mean batch.
	Entries, Commands uint64
	// Fatal is why the replica has stopped answering; empty while it works.
	Fatal string
}

// SnapshotStatus describes one snapshot.
type SnapshotStatus struct {
	Index, Term uint64
	// Size is the length of its stream in bytes.
	Size int64
	// Taken is the wall clock's reading, for people.
	Taken time.Time
}

// caughtUp is how many entries a new member may lag and still become a voter.
const caughtUp = 64

// askAgain bounds the pause between two questions to a member.
const askAgain = 100 * time.Millisecond

// spreadShare is the part, one in so many, of what is left of a request's time that
// it waits for the other voters to know a new one; the rest is for what follows.
const spreadShare = 4

// settle answers for a request that the configuration read in term already meets.
// What a leader's log says of the group may be lost with the leadership, so it
// waits until that is committed: the barrier is behind it in the log, and a leader
// takes nothing out of its log while its term lasts.
func (r *Replica) settle(ctx context.Context, term uint64) error {
	if err := r.change(ctx, r.node().Barrier(r.remaining(ctx))); err != nil {
		return err
	}
	if now := r.node().CurrentTerm(); now != term {
		return protocol.Errorf(protocol.UnknownOutcome, "the group was in question: term %d has become %d; ask again", term, now)
	}
	return nil
}

// settleVoter is settle for a voter, which the others must know as well.
func (r *Replica) settleVoter(ctx context.Context, term uint64) error {
	if err := r.settle(ctx, term); err != nil {
		return err
	}
	r.spread(ctx, r.node().CommitIndex())
	return nil
}

// servers is the newest configuration, committed or not.
func (r *Replica) servers() []raft.Server {
	f := r.node().GetConfiguration()
	if f.Error() != nil {
		return nil
	}
	return f.Configuration().Servers
}

// expect names the member that an address belongs to.
func (r *Replica) expect(address string) (string, bool) {
	for _, s := range r.servers() {
		if string(s.Address) == address {
			return string(s.ID), true
		}
	}
	return "", false
}

// AddMember makes the instance id at raftAddress a member: a non-voter first,
// which counts in no majority, and a voter once it has caught up. It may be
// repeated. A member that is known at another address, or an address that is
// another member's, is refused with InvalidArgument: a wiped folder is a new
// member, and the old one is removed first.
func (r *Replica) AddMember(ctx context.Context, id, raftAddress string) error {
	if id == "" || len(id) > MaxIDLength || raftAddress == "" || len(raftAddress) > protocol.MaxAddressLength {
		return protocol.Errorf(protocol.InvalidArgument, "a member needs an id of at most %d bytes and an address of at most %d", MaxIDLength, protocol.MaxAddressLength)
	}
	if err := r.leading(); err != nil {
		return err
	}
	term, index := r.node().CurrentTerm(), r.committed.newest().index
	servers := r.servers()
	have, err := known(servers, id, raftAddress)
	if err != nil {
		return err
	}
	if have == raft.Voter {
		return r.settleVoter(ctx, term)
	}
	if have == raft.Staging {
		if len(servers) >= protocol.MaxMetaservers {
			return protocol.Errorf(protocol.LimitExceeded, "a group has at most %d members", protocol.MaxMetaservers)
		}
		if err := r.change(ctx, r.node().AddNonvoter(raft.ServerID(id), raft.ServerAddress(raftAddress), index, r.remaining(ctx))); err != nil {
			return err
		}
	}
	if err := r.awaitCaughtUp(ctx, id, raftAddress); err != nil {
		return err
	}
	term, index = r.node().CurrentTerm(), r.committed.newest().index
	if have, err := known(r.servers(), id, raftAddress); err != nil {
		return err
	} else if have == raft.Voter {
		return r.settleVoter(ctx, term)
	}
	voter := r.node().AddVoter(raft.ServerID(id), raft.ServerAddress(raftAddress), index, r.remaining(ctx))
	if err := r.change(ctx, voter); err != nil {
		return err
	}
	r.spread(ctx, voter.Index())
	return nil
}

// spread waits until every voter that can be asked has the entry at index, which
// makes a new voter, for a share of the request's time. Raft refuses its vote, and
// the right to ask for one, to a member that a voter's own log does not know as a
// voter: were the leader lost while only it and the new voter have the entry, the
// rest could not elect anyone without it. Nothing is lost then, and it ends when
// they are back; so who lags, as beside a long snapshot, keeps nobody from joining.
func (r *Replica) spread(ctx context.Context, index uint64) {
	ctx, cancel := context.WithTimeout(ctx, r.remaining(ctx)/spreadShare)
	defer cancel()
	var asking sync.WaitGroup
	for _, s := range r.servers() {
		if string(s.ID) != r.id && s.Suffrage == raft.Voter {
			asking.Go(func() {
				if err := r.awaitEntry(ctx, s, index); err != nil {
					r.cfg.Logger.Warn("a member may not know the new voter yet; it learns of it as it catches up", "member", s.ID, "entry", index, "error", err)
				}
			})
		}
	}
	asking.Wait()
}

// awaitEntry asks a member until its log has the entry at index, or it cannot be asked.
func (r *Replica) awaitEntry(ctx context.Context, s raft.Server, index uint64) error {
	for {
		if err := r.leading(); err != nil {
			return err
		}
		a, err := r.askTerm(ctx, string(s.ID), string(s.Address))
		if err != nil || a.LastLog >= index {
			return err
		}
		pause(ctx, min(r.cfg.HeartbeatTimeout/100, askAgain))
		if ctx.Err() != nil {
			return protocol.Errorf(protocol.Unavailable, "its log ends at entry %d: %w", a.LastLog, ctx.Err())
		}
	}
}

// known says what the member is now; Staging stands for "not there yet".
func known(servers []raft.Server, id, address string) (raft.ServerSuffrage, error) {
	for _, s := range servers {
		same, there := string(s.ID) == id, string(s.Address) == address
		switch {
		case same && there:
			return s.Suffrage, nil
		case same:
			return 0, protocol.Errorf(protocol.InvalidArgument, "member %q is known at %s", id, s.Address)
		case there:
			return 0, protocol.Errorf(protocol.InvalidArgument, "%s belongs to member %q; remove it first", address, s.ID)
		}
	}
	return raft.Staging, nil
}

// awaitCaughtUp asks the new member how far it is until it is nearly here.
func (r *Replica) awaitCaughtUp(ctx context.Context, id, address string) error {
	for {
		if err := r.leading(); err != nil {
			return err
		}
		target, _ := r.progress.read()
		if a, err := r.askTerm(ctx, id, address); err == nil && a.Applied+caughtUp >= target && a.Applied > 0 {
			return nil
		}
		pause(ctx, min(r.cfg.HeartbeatTimeout/10, askAgain))
		if err := ctx.Err(); err != nil {
			return protocol.Errorf(protocol.Unavailable, "member %q has not caught up; it stays without a vote: %w", id, err)
		}
	}
}

func (r *Replica) askTerm(ctx context.Context, id, address string) (link.TermAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.DialTimeout)
	defer cancel()
	c, err := r.layer.DialTerm(ctx, id, address)
	if err != nil {
		return link.TermAnswer{}, err
	}
	defer c.Close()
	return c.Ask(r.remaining(ctx))
}

// RemoveMember takes a member out of the group; one that is not there is no
// error. The leader does not remove itself: it hands leadership on and answers
// NotLeader, and the request is repeated at the new leader.
func (r *Replica) RemoveMember(ctx context.Context, id string) error {
	if err := r.leading(); err != nil {
		return err
	}
	term, index := r.node().CurrentTerm(), r.committed.newest().index
	servers := r.servers()
	voters, there := 0, false
	for _, s := range servers {
		there = there || string(s.ID) == id
		if s.Suffrage == raft.Voter && string(s.ID) != id {
			voters++
		}
	}
	switch {
	case !there:
		return r.settle(ctx, term)
	case voters == 0:
		return protocol.Errorf(protocol.InvalidArgument, "member %q is the last voter", id)
	case id == r.id:
		if err := r.TransferLeadership(ctx); err != nil {
			return err
		}
		return errNotLeader()
	}
	return r.change(ctx, r.node().RemoveServer(raft.ServerID(id), index, r.remaining(ctx)))
}

// TransferLeadership hands leadership to the voter that is most up to date, and
// returns once this member does not lead any more.
func (r *Replica) TransferLeadership(ctx context.Context) error {
	if r.node().State() != raft.Leader {
		return errNotLeader()
	}
	return r.change(ctx, r.node().LeadershipTransfer())
}

// leading is nil if this member leads and has applied an entry of its term.
func (r *Replica) leading() error {
	if err := r.serving(); err != nil {
		return err
	}
	if !r.lead.now.Load().Leader {
		return errNotLeader()
	}
	return nil
}

// change waits for a change of the group. Whether it happened is not known after
// UnknownOutcome; the configuration tells.
func (r *Replica) change(ctx context.Context, f raft.Future) error {
	done := make(chan error, 1)
	go func() { done <- f.Error() }()
	select {
	case err := <-done:
		return changeError(err)
	case <-ctx.Done():
		return protocol.Errorf(protocol.UnknownOutcome, "the change may or may not happen: %w", ctx.Err())
	case <-r.ended:
		return protocol.Errorf(protocol.UnknownOutcome, "the change may or may not happen: this metaserver ends")
	}
}

func changeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrRaftShutdown):
		return protocol.Errorf(protocol.UnknownOutcome, "the change may or may not happen: %w", err)
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrEnqueueTimeout):
		return applyError(err)
	default:
		return protocol.Errorf(protocol.Unavailable, "the group was not changed: %w", err)
	}
}

// remaining bounds how long a change waits to be begun.
func (r *Replica) remaining(ctx context.Context) time.Duration {
	if d, ok := ctx.Deadline(); ok {
		return max(time.Until(d), time.Millisecond)
	}
	return r.cfg.DialTimeout
}

// Status tells what this member knows now.
func (r *Replica) Status() Status {
	address, id := r.node().LeaderWithID()
	first, _ := r.logs.FirstIndex()
	last, _ := r.logs.LastIndex()
	applied, version := r.progress.read()
	s := Status{
		ID: r.id, Cluster: r.Cluster(), RaftAddress: r.cfg.Advertise,
		Leadership: *r.lead.now.Load(), LeaderID: string(id), LeaderAddress: string(address),
		Term: r.logs.Term(), AppliedIndex: applied, CommitIndex: r.node().CommitIndex(),
		FirstLog: first, LastLog: last, Version: version, Connections: r.layer.Connections(),
		Entries: r.batcher.counts.entries.Load(), Commands: r.batcher.counts.commands.Load(),
	}
	for _, m := range r.servers() {
		s.Members = append(s.Members, Member{ID: string(m.ID), RaftAddress: string(m.Address), Voter: m.Suffrage == raft.Voter})
	}
	if one, ok := r.snapshots.Newest(); ok {
		s.Snapshot = SnapshotStatus{Index: one.Index, Term: one.Term, Size: one.Size, Taken: time.UnixMilli(one.TakenUnixMS)}
	}
	if err := r.healthy(); err != nil {
		s.Fatal = err.Error()
	}
	return s
}
