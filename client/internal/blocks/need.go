package blocks

import (
	"context"
	"sync"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// MaxNeeds bounds the buckets whose numbers a fleet remembers.
const MaxNeeds = 1024

// Need says on how many nodes a block is stored (R), and for how many of them a
// store waits (Q). What is zero is the cluster's, which the layout has. A need is
// a guess: too low a one is refused at the commit, too high a one costs copies
// that are dropped again.
type Need struct{ Redundancy, Quorum int }

// in fills what is zero from l. The quorum that it returns is no higher than the
// redundancy.
func (n Need) in(l *layout) Need {
	if n.Quorum <= 0 {
		n.Quorum = max(1, int(l.answer.GetQuorum()))
	}
	if n.Redundancy <= 0 {
		n.Redundancy = int(l.answer.GetRedundancy())
	}
	n.Redundancy = max(n.Redundancy, n.Quorum)
	return n
}

// needs remembers what prepare answers have told of buckets.
type needs struct {
	mu    sync.Mutex
	known map[string]told
}

// told is one answer's word, as of its version.
type told struct {
	need    Need
	version protocol.Version
}

// learn keeps what a says of bucket, unless a later answer has spoken. Where there
// are MaxNeeds, any other bucket makes room.
func (k *needs) learn(bucket string, a *pb.PrepareAnswer) {
	n := Need{int(min(a.GetRedundancy(), protocol.MaxRedundancy)), int(min(a.GetQuorum(), protocol.MaxRedundancy))}
	if bucket == "" || n.Redundancy == 0 || n.Quorum == 0 {
		return
	}
	v := protocol.Version{Generation: a.GetVersion().GetGeneration(), Counter: a.GetVersion().GetCounter()}
	k.mu.Lock()
	defer k.mu.Unlock()
	old, ok := k.known[bucket]
	switch {
	case ok && v.Less(old.version):
		return
	case !ok && len(k.known) >= MaxNeeds:
		for other := range k.known {
			delete(k.known, other)
			break
		}
	case k.known == nil:
		k.known = map[string]told{}
	}
	k.known[bucket] = told{n, v}
}

func (k *needs) get(bucket string) (Need, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t, ok := k.known[bucket]
	return t.need, ok
}

func (k *needs) forget(bucket string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.known, bucket)
}

// Need returns how many copies the blocks of a bucket's objects are to have: as
// the last prepare answer told, or as one does now. It is a hint: where nobody
// tells, it is zero.
func (f *Fleet) Need(ctx context.Context, bucket string) Need {
	if n, ok := f.needs.get(bucket); ok || bucket == "" {
		return n
	}
	ctx, cancel := context.WithTimeout(ctx, f.cfg.ExchangeTimeout)
	defer cancel()
	_, err := f.askPrepare(ctx, bucket, nil)
	if err != nil {
		f.cfg.Logger.Debug("nobody tells how many copies a bucket wants", "bucket", bucket, "err", err)
	}
	n, _ := f.needs.get(bucket)
	return n
}

// Forget has the next Need of bucket ask anew.
func (f *Fleet) Forget(bucket string) { f.needs.forget(bucket) }

// Quorum returns the acknowledgements that a store for n waits for.
func (f *Fleet) Quorum(ctx context.Context, n Need) (int, error) {
	l, err := f.place(ctx, false)
	if err != nil {
		return 0, err
	}
	return n.in(l).Quorum, nil
}
