package dispatch

import (
	"bytes"
	"context"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// agreeWithin bounds how long the others are asked for their digests.
const agreeWithin = 10 * time.Second

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

// compare marks this leader's digest and has every replica hold its own against that
// of the majority, which is the leader's own unless the leader is the odd one: then it
// stops, and the others go on.
func (l *leading) compare(ctx context.Context) error {
	res, err := l.propose(ctx, &record.Command{Body: &record.Command_MarkDigest{MarkDigest: &record.MarkDigest{}}})
	if err != nil {
		return err
	}
	most := l.agreed(ctx, res.GetDigest())
	_, err = l.propose(ctx, &record.Command{Body: &record.Command_CompareDigest{CompareDigest: &record.CompareDigest{
		Mark: most.GetMark(), Digest: most.GetDigest(), Index: most.GetIndex(),
	}}})
	if err == nil {
		l.metrics.compared.Inc()
	}
	return err
}

// agreed is what the majority has at the mark, of which this leader has own. Where
// nobody can tell it in time, it is the leader's: whoever differs stops, and rather all
// of them than one that is wrong.
func (l *leading) agreed(ctx context.Context, own *record.DigestResult) *record.DigestResult {
	if l.cfg.Agreed == nil {
		return own
	}
	ctx, cancel := context.WithTimeout(ctx, agreeWithin)
	defer cancel()
	most, err := l.cfg.Agreed(ctx, own)
	if err != nil {
		l.cfg.Logger.Warn("digests are compared with this leader's own", "mark", own.GetMark(), "error", err)
		return own
	}
	if !bytes.Equal(most.GetDigest(), own.GetDigest()) {
		l.cfg.Logger.Error("this leader's state differs from the majority's; it stops", "own", own, "majority", most)
	}
	return most
}
