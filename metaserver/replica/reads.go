package replica

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/link"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// View returns a moment of the state, which the caller closes:
//
//	linearizable  on the leader: everything that was acknowledged before the call
//	session       on any replica: at least version min
//	stale         on any replica, at once
//
// Errors: NotLeader; Unavailable when ReadTimeout or ctx's deadline passes first;
// Canceled; Busy when MaxReads wait already.
func (r *Replica) View(ctx context.Context, level pb.Level, min protocol.Version) (state.View, error) {
	if err := r.serving(); err != nil {
		return nil, err
	}
	switch level {
	case pb.Level_LEVEL_STALE:
		return r.states.view()
	case pb.Level_LEVEL_LINEARIZABLE:
		if !r.lead.now.Load().Leader {
			return nil, errNotLeader()
		}
		return r.viewAfter(ctx, r.rounds.wait)
	case pb.Level_LEVEL_SESSION:
		if _, v := r.progress.read(); !v.Less(min) {
			return r.states.view()
		}
		return r.viewAfter(ctx, func(ctx context.Context) error { return r.progress.await(ctx, min) })
	default:
		return nil, protocol.Errorf(protocol.InvalidArgument, "unknown read level %d", level)
	}
}

// viewAfter waits, within the limits, and takes the moment after that.
func (r *Replica) viewAfter(ctx context.Context, wait func(context.Context) error) (state.View, error) {
	if r.reads.Add(1) > MaxReads {
		r.reads.Add(-1)
		return nil, protocol.Errorf(protocol.Busy, "%d reads wait already", MaxReads)
	}
	defer r.reads.Add(-1)
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.ReadTimeout, errReadTimeout)
	defer cancel()
	if err := wait(ctx); err != nil {
		return nil, readError(err)
	}
	if err := r.serving(); err != nil {
		return nil, err
	}
	return r.states.view()
}

var errReadTimeout = protocol.Errorf(protocol.Unavailable, "this metaserver could not answer the read in time")

// readError dresses a context's end as one of ours.
func readError(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return protocol.Errorf(protocol.Canceled, "read: %w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return protocol.Errorf(protocol.Unavailable, "read: %w", err)
	default:
		return err
	}
}

// rounds is the current-term check (doc.go, Linearizable reads). Reads that
// arrive while a round is under way wait for the next one, which starts after
// they have arrived; all of them share it.
type rounds struct {
	id     string
	layer  *link.Layer
	lead   *leadership
	voters func() []raft.Server
	// ownTerm is this member's current term.
	ownTerm func() uint64
	// limit bounds a round, ask one question, redial the pace of retries.
	limit, ask, redial time.Duration

	mu      sync.Mutex
	waiting *round
	wake    chan struct{}
	stop    chan struct{}
	group   sync.WaitGroup
	askers  map[string]*asker
	answers chan answer
	serial  uint64
}

// round is one shared check; err is set before done is closed.
type round struct {
	done chan struct{}
	err  error
}

// answer is what one member said to the question of round serial.
type answer struct {
	id     string
	serial uint64
	term   uint64
}

// run starts the coordinator.
func (r *rounds) run() {
	r.wake, r.stop = make(chan struct{}, 1), make(chan struct{})
	r.askers, r.answers = map[string]*asker{}, make(chan answer, 4*protocol.MaxMetaservers)
	r.group.Go(r.coordinate)
}

func (r *rounds) close() {
	close(r.stop)
	r.group.Wait()
}

// wait returns nil once a round that started after the call has succeeded.
func (r *rounds) wait(ctx context.Context) error {
	r.mu.Lock()
	if r.waiting == nil {
		r.waiting = &round{done: make(chan struct{})}
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	mine := r.waiting
	r.mu.Unlock()
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-r.stop:
		return errClosed()
	}
}

func (r *rounds) coordinate() {
	for {
		select {
		case <-r.wake:
		case <-r.stop:
			return
		}
		r.mu.Lock()
		now := r.waiting
		r.waiting = nil
		r.mu.Unlock()
		now.err = r.check()
		close(now.done)
	}
}

// check asks the voters once. It succeeds if this member leads with an entry of
// its term applied, and a majority of voters, itself included, has no higher term.
func (r *rounds) check() error {
	lead, moved := r.lead.current()
	if !lead.Leader {
		return errNotLeader()
	}
	others, need, err := r.electorate()
	if err != nil {
		return err
	}
	r.serial++
	r.retire(others)
	for _, s := range others {
		r.asker(s).put(r.serial)
	}
	if err := r.gather(lead.Term, need, moved); err != nil {
		return err
	}
	if r.ownTerm() != lead.Term {
		return errNotLeader()
	}
	return nil
}

// electorate is the other voters, and how many of them make a majority with this
// member.
func (r *rounds) electorate() (others []raft.Server, need int, err error) {
	votes, voters := false, 0
	for _, s := range r.voters() {
		if s.Suffrage != raft.Voter {
			continue
		}
		voters++
		if string(s.ID) == r.id {
			votes = true
			continue
		}
		others = append(others, s)
	}
	if !votes {
		return nil, 0, errNotLeader()
	}
	return others, voters / 2, nil
}

// gather counts members that answered this round's question, each once.
func (r *rounds) gather(term uint64, need int, moved <-chan struct{}) error {
	limit := time.NewTimer(r.limit)
	defer limit.Stop()
	var said [protocol.MaxMetaservers * 2]string
	for have := 0; have < need; {
		select {
		case a := <-r.answers:
			if a.serial != r.serial || contains(said[:have], a.id) {
				continue
			}
			if a.term > term {
				return errNotLeader()
			}
			said[have] = a.id
			have++
		case <-moved:
			return errNotLeader()
		case <-limit.C:
			return protocol.Errorf(protocol.Unavailable, "a majority of metaservers did not answer within %v", r.limit)
		case <-r.stop:
			return errClosed()
		}
	}
	return nil
}

func contains(ids []string, id string) bool {
	for _, x := range ids {
		if x == id {
			return true
		}
	}
	return false
}

// asker is the goroutine that asks one member. Only the newest question counts.
type asker struct {
	server raft.Server
	next   chan uint64
	quit   chan struct{}
}

func (r *rounds) asker(s raft.Server) *asker {
	a := r.askers[string(s.ID)]
	if a == nil {
		a = &asker{server: s, next: make(chan uint64, 1), quit: make(chan struct{})}
		r.askers[string(s.ID)] = a
		r.group.Go(func() { r.serve(a) })
	}
	return a
}

// retire ends the askers of members that are gone or have moved.
func (r *rounds) retire(others []raft.Server) {
	for id, a := range r.askers {
		kept := false
		for _, s := range others {
			kept = kept || s == a.server
		}
		if !kept {
			close(a.quit)
			delete(r.askers, id)
		}
	}
}

// put replaces the question that waits.
func (a *asker) put(serial uint64) {
	select {
	case <-a.next:
	default:
	}
	a.next <- serial
}

// serve asks one member, over one connection as long as it lasts.
func (r *rounds) serve(a *asker) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-a.quit:
		case <-r.stop:
		case <-ctx.Done():
		}
		cancel()
	}()
	var conn *link.TermConn
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	for {
		select {
		case serial := <-a.next:
			conn = r.question(ctx, a, conn, serial)
		case <-ctx.Done():
			return
		}
	}
}

// question asks until it is answered, or a newer question waits.
func (r *rounds) question(ctx context.Context, a *asker, conn *link.TermConn, serial uint64) *link.TermConn {
	for first := true; ctx.Err() == nil && (first || len(a.next) == 0); first = false {
		if !first {
			pause(ctx, r.redial)
		}
		if conn == nil {
			conn = r.dial(ctx, a)
		}
		if conn == nil {
			continue
		}
		said, err := conn.Ask(r.ask)
		if err == nil {
			select {
			case r.answers <- answer{string(a.server.ID), serial, said.Term}:
			case <-ctx.Done():
			}
			return conn
		}
		_ = conn.Close()
		conn = nil
	}
	return conn
}

func (r *rounds) dial(ctx context.Context, a *asker) *link.TermConn {
	ctx, cancel := context.WithTimeout(ctx, r.ask)
	defer cancel()
	conn, err := r.layer.DialTerm(ctx, string(a.server.ID), string(a.server.Address))
	if err != nil {
		return nil
	}
	return conn
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
