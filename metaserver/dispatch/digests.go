package dispatch

import (
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

// digests has the replicas prove that they agree.
func (l *leading) digests(ctx context.Context) {
	for {
		l.complain(ctx, "digest", l.digestRound(ctx))
		if !pause(ctx, nil, l.cfg.Timing.DigestTick) {
			return
		}
	}
}

func (l *leading) digestRound(ctx context.Context) error {
	due := false
	err := l.look(ctx, func(r state.Reader) error {
		row, err := state.ClusterRow(r)
		mark := row.GetMark()
		due = digestDue(
			protocol.Version{Generation: mark.GetGeneration(), Counter: mark.GetCounter()},
			protocol.Version{Generation: row.GetGeneration(), Counter: row.GetCounter()},
			l.cfg.Timing.DigestEvery)
		return err
	})
	if err != nil || !due {
		return err
	}
	return l.compare(ctx)
}

// compare marks this leader's digest and has every replica hold its own against it.
func (l *leading) compare(ctx context.Context) error {
	res, err := l.propose(ctx, &record.Command{Body: &record.Command_MarkDigest{MarkDigest: &record.MarkDigest{}}})
	if err != nil {
		return err
	}
	marked := res.GetDigest()
	_, err = l.propose(ctx, &record.Command{Body: &record.Command_CompareDigest{CompareDigest: &record.CompareDigest{
		Mark: marked.GetMark(), Digest: marked.GetDigest(),
	}}})
	if err == nil {
		l.metrics.compared.Inc()
	}
	return err
}
