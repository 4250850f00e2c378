package torture

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/history"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

const (
	// directTimeout is longer than a leader is stopped, so that what was asked while
	// it was is answered by it afterwards.
	directTimeout = 15 * time.Second
	// directFirst is the first number of these clients in a history.
	directFirst = 100
	// directEach is how many of them stand before each metaserver.
	directEach = 2
)

// direct is a reader that asks one metaserver only and waits for its answer. Those
// that wait before a stopped leader are the ones that it could deceive: it goes on
// with their questions before it can know that it leads no more.
type direct struct {
	id      int
	address string
	rpc     *rpc.Client
	r       *rand.Rand
	keys    *keys
	record  *history.Recorder
	pause   time.Duration
}

// run reads until stop is closed. Only answers are recorded: most of these servers
// do not lead most of the time, and say so.
func (d *direct) run(stop <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tick := time.NewTicker(d.pause)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		_, key := d.keys.look(d.r)
		o := d.record.Begin(history.Operation{Client: d.id, Verb: history.Stat, Level: history.Linearizable, Key: key})
		if d.ask(ctx, &o) {
			d.record.End(o)
		}
	}
}

func (d *direct) ask(ctx context.Context, o *history.Operation) (answered bool) {
	ctx, cancel := context.WithTimeout(ctx, directTimeout)
	defer cancel()
	ans := &pb.LookupAnswer{}
	err := d.rpc.Call(ctx, d.address, protocol.PathLookup, &pb.LookupRequest{Bucket: bucket, Name: o.Key, StatOnly: true}, ans)
	switch protocol.KindOf(err) {
	case 0:
	case protocol.NotFound:
		o.Outcome = history.Absent
		return true
	default:
		return false
	}
	digest, err := protocol.HashFromBytes(ans.GetObject().GetDigest())
	if err != nil {
		return false
	}
	v := ans.GetObject().GetVersion()
	o.Outcome = history.Done
	o.Seen = &history.Seen{
		Version: protocol.Version{Generation: v.GetGeneration(), Counter: v.GetCounter()},
		Tag:     ans.GetObject().GetContentType(), Size: int64(ans.GetObject().GetSize()), Digest: digest,
	}
	return true
}
