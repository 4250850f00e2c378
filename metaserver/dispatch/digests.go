package dispatch

import (
	"bytes"
	"context"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// digestDue tells whether a new mark is due: the state has moved by at least every
// versions since the last mark, or to another generation.
func digestDue(mark, now protocol.Version, every uint64) bool {
	if mark.Generation != now.Generation {
		return true
	}
	return now.Counter >= mark.Counter && now.Counter-mark.Counter >= every
}

// digests has the replicas prove that they agree, first when a leader begins: a change
// of leaders is where states would part.
func (l *leading) digests(ctx context.Context) {
	compared := false
	for {
		var err error
		compared, err = l.digestRound(ctx, compared)
		l.complain(ctx, "digest", err)
		if !pause(ctx, nil, l.cfg.Timing.DigestTick) {
			return
		}
	}
}

// digestRound compares if that is due, as it is where the round before has not: that may
// have set its mark and failed then, so the mark's age tells nothing. It returns whether
// the last mark is compared.
func (l *leading) digestRound(ctx context.Context, compared bool) (bool, error) {
	due := false
	err := l.look(ctx, func(r state.Reader) error {
		row, err := state.ClusterRow(r)
		now := protocol.Version{Generation: row.GetGeneration(), Counter: row.GetCounter()}
		// Before the cluster's first entry there is nothing to compare.
		due = !now.IsZero() && (!compared || digestDue(versionOf(row.GetMark()), now, l.cfg.Timing.DigestEvery))
		return err
	})
	if err != nil || !due {
		return compared && err == nil, err
	}
	err = l.compare(ctx)
	return err == nil, err
}

// compare marks this leader's digest and has every replica hold its own against that
// of the majority, which is the leader's own unless the leader is the odd one: then it
// stops, and the others go on.
func (l *leading) compare(ctx context.Context) error {
	res, err := l.propose(ctx, &record.Command{Body: &record.Command_MarkDigest{MarkDigest: &record.MarkDigest{}}})
	if err != nil {
		return err
	}
	most, err := l.agreed(ctx, res.GetDigest())
	if err != nil {
		return err
	}
	_, err = l.propose(ctx, &record.Command{Body: &record.Command_CompareDigest{CompareDigest: &record.CompareDigest{
		Mark: most.GetMark(), Digest: most.GetDigest(), Index: most.GetIndex(),
	}}})
	if err == nil {
		l.metrics.compared.Inc()
	}
	return err
}

// agreed is what the majority has at the mark, of which this leader has own. If somebody
// has another state, and no majority is there to tell which is right, this leader ends:
// what it led to might be wrong, and whatever it put into the log about it would stop
// right replicas for ever. If nobody contradicts and too few answer, nothing is compared
// now.
func (l *leading) agreed(ctx context.Context, own *record.DigestResult) (*record.DigestResult, error) {
	if l.cfg.Agreed == nil {
		return own, nil
	}
	asking, cancel := context.WithTimeout(ctx, l.cfg.Timing.AgreeWithin)
	defer cancel()
	most, err := l.cfg.Agreed(asking, own)
	if ctx.Err() == nil && protocol.KindOf(err) == protocol.Corrupt {
		l.cfg.Diverged(err)
	}
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(most.GetDigest(), own.GetDigest()) || most.GetMark().GetCounter() != own.GetMark().GetCounter() {
		l.cfg.Logger.Error("this leader's state differs from the majority's; it stops", "own", own, "majority", most)
	}
	return most, nil
}
