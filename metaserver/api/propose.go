package api

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// entryOverhead is what an entry adds around its only command: tag and length.
const entryOverhead = 8

// propose checks cmd, fills in what the state machine may not know by itself,
// proposes it and returns its result, or the error that the result stands for.
func (a *API) propose(ctx context.Context, cmd *record.Command) (*record.Result, error) {
	if err := state.Validate(cmd); err != nil {
		return nil, err
	}
	cmd.NowUnixMs = a.cfg.Now().UnixMilli()
	cmd.Request = rpc.RequestID(ctx)
	if size := cmd.SizeVT() + entryOverhead; size > protocol.MaxEntrySize {
		return nil, protocol.Errorf(protocol.TooLarge, "the command has %d bytes, a log entry at most %d; send fewer blocks or claims at once, in the pages of an upload", size, protocol.MaxEntrySize)
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.ProposeTimeout)
	defer cancel()
	begun := time.Now()
	res, err := a.cfg.Log.Propose(ctx, cmd)
	a.cfg.Metrics.proposal.Observe(time.Since(begun).Seconds())
	if err != nil {
		return nil, err
	}
	return res, resultError(res)
}

// resultError turns a result's kind into an error; nil for a result without one.
func resultError(res *record.Result) error {
	if res.GetKind() == 0 {
		return nil
	}
	e := &protocol.Error{Kind: protocol.Kind(res.GetKind()), Detail: res.GetDetail()}
	if e.Kind == protocol.ClaimsRefused {
		e.Refused = splitHashes(res.GetCommit().GetRefused())
	}
	return e
}

// view takes the state at level. The caller closes it.
func (a *API) view(ctx context.Context, level pb.Level, min *pb.Version) (state.View, error) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.ReadTimeout)
	defer cancel()
	return a.cfg.Log.View(ctx, level, version(min))
}

// read runs one pure read over the state at level. While the metadata is known to
// be rolled back it answers what was acknowledged once and is not any more, so
// that only a stale read, which promises no more than that, is answered.
func read[Q, A any](ctx context.Context, a *API, level pb.Level, min *pb.Version, q Q, fn func(state.Reader, Q) (A, error)) (A, error) {
	if level != pb.Level_LEVEL_STALE {
		fn = served(fn)
	}
	return look(ctx, a, level, min, q, fn)
}

// served refuses a read while the metadata is known to be rolled back.
func served[Q, A any](fn func(state.Reader, Q) (A, error)) func(state.Reader, Q) (A, error) {
	return func(r state.Reader, q Q) (A, error) {
		if err := state.Serving(r); err != nil {
			var none A
			return none, err
		}
		return fn(r, q)
	}
}

// look runs one pure read over the state at level, whatever it is.
func look[Q, A any](ctx context.Context, a *API, level pb.Level, min *pb.Version, q Q, fn func(state.Reader, Q) (A, error)) (A, error) {
	v, err := a.view(ctx, level, min)
	if err != nil {
		var none A
		return none, err
	}
	ans, err := fn(v, q)
	if cerr := v.Close(); err == nil && cerr != nil {
		err = cerr
	}
	return ans, err
}

// explain completes a not-leader error with the leader's client address, or says
// why there is none. Other errors pass.
func (a *API) explain(ctx context.Context, err error) error {
	if protocol.KindOf(err) != protocol.NotLeader {
		return err
	}
	switch leader := a.cfg.Group().Leader; leader {
	case "":
		return protocol.Errorf(protocol.Unavailable, "metaserver %s knows no leader: an election is under way, or it does not reach a majority of the group; try again, or ask another metaserver", a.cfg.Self)
	case a.cfg.Self:
		return protocol.Errorf(protocol.Unavailable, "metaserver %s is taking up leadership; try again", a.cfg.Self)
	default:
		e := protocol.Errorf(protocol.NotLeader, "metaserver %s leads", leader)
		e.Leader = a.clientAddress(ctx, leader)
		return e
	}
}

// clientAddress finds a member's client address in this replica's state; empty
// while the log does not know it.
func (a *API) clientAddress(ctx context.Context, id string) string {
	members, err := read(ctx, a, pb.Level_LEVEL_STALE, nil, struct{}{}, members)
	if err != nil {
		return ""
	}
	for _, m := range members {
		if m.GetId() == id {
			return m.GetClientAddress()
		}
	}
	return ""
}

func members(r state.Reader, _ struct{}) ([]*record.MetaMember, error) { return state.MetaMembers(r) }

// draw returns a fresh random id.
func draw() []byte {
	id := make([]byte, len(protocol.ID{}))
	_, _ = rand.Read(id) // crypto/rand.Read never fails: it ends the process instead
	return id
}

// version reads a version of the wire; nil is the zero version.
func version(v *pb.Version) protocol.Version {
	return protocol.Version{Generation: v.GetGeneration(), Counter: v.GetCounter()}
}

// splitHashes unpacks hashes that our own state packed.
func splitHashes(packed []byte) []protocol.Hash {
	hashes := make([]protocol.Hash, 0, len(packed)/protocol.HashSize)
	for ; len(packed) >= protocol.HashSize; packed = packed[protocol.HashSize:] {
		hashes = append(hashes, protocol.Hash(packed[:protocol.HashSize]))
	}
	return hashes
}
