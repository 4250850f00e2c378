package blocks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Parcel is one compressed block on its way to its nodes. It is held by the
// caller and by every exchange that still may read Body; Free runs once, when
// the last of them has let go.
type Parcel struct {
	Hash  protocol.Hash
	Plain int
	Body  []byte
	// Free takes Body back.
	Free func()

	holders atomic.Int32
}

// Hold adds a holder; the first is the caller's own.
func (p *Parcel) Hold() { p.holders.Add(1) }

// Release removes a holder.
func (p *Parcel) Release() {
	if p.holders.Add(-1) == 0 && p.Free != nil {
		p.Free()
	}
}

// sent is how one exchange ended.
type sent struct {
	node  protocol.NodeID
	claim protocol.Claim
	err   error
}

// delivery is one Store under way.
type delivery struct {
	fleet   *Fleet
	parcel  *Parcel
	version protocol.Version
	need    Need
	layout  *layout
	// line is whom to ask next, best first; its first well entries are in good
	// health.
	line    []protocol.NodeID
	well    int
	results chan sent
	ctx     context.Context
	cancel  context.CancelFunc

	pending int
	claims  []protocol.Claim
	causes  []error
}

// Store sends p to as many nodes as need says at version u and returns the claims
// of the first that acknowledged it, a quorum. Claims that come later go to late,
// from another goroutine. Where a wanted node fails, the next in the layout is
// asked. The error is Full, Unavailable or LayoutUnready with the causes in words,
// or Canceled. The caller holds p.
func (f *Fleet) Store(ctx context.Context, p *Parcel, u protocol.Version, need Need, late func(protocol.Claim)) ([]protocol.Claim, error) {
	d := &delivery{fleet: f, parcel: p, version: u, need: need}
	d.ctx, d.cancel = context.WithCancel(f.ctx)
	unlink := context.AfterFunc(ctx, d.cancel)
	for round := range maxRounds {
		if round > 0 {
			rest(ctx, round)
		}
		done, err := d.round(ctx, round > 0)
		if done {
			// From here on the caller's context no longer ends the stragglers.
			unlink()
			return d.finish(late), nil
		}
		if ctx.Err() != nil || err != nil {
			break
		}
	}
	unlink()
	d.cancel()
	err := d.failure(ctx)
	d.settle(nil)
	return nil, err
}

// rest waits between two rounds.
func rest(ctx context.Context, round int) {
	t := time.NewTimer(min(25*time.Millisecond<<round, 2*time.Second))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// round asks every candidate that has not acknowledged yet, until a quorum has. The
// error is one that another round cannot mend.
func (d *delivery) round(ctx context.Context, refresh bool) (done bool, err error) {
	l, err := d.fleet.placeFor(ctx, refresh, d.need)
	if err != nil {
		d.causes = append(d.causes, err)
		return false, err
	}
	d.layout = l
	well, ill := d.candidates()
	if d.results == nil {
		// Whoever returns takes every result first, so any capacity is enough.
		d.results = make(chan sent, protocol.MaxRedundancy)
	}
	need := d.need.in(l)
	quorum, redundancy := need.Quorum, need.Redundancy
	d.line, d.well = append(well, ill...), len(well)
	if len(d.line)+len(d.claims)+d.pending < quorum {
		d.causes = append(d.causes, protocol.Errorf(protocol.LayoutUnready, "%d blockservers are known, a write needs %d", len(d.line), quorum))
		return false, nil
	}
	for range max(min(redundancy, len(well)), quorum) - len(d.claims) {
		d.next()
	}
	for len(d.claims) < quorum && d.pending > 0 {
		select {
		case r := <-d.results:
			if !d.take(r) && (d.well > 0 || len(d.claims)+d.pending < quorum) {
				d.next()
			}
		case <-ctx.Done():
			return false, nil
		}
	}
	return len(d.claims) >= quorum, nil
}

// candidates returns the nodes to ask, wanted before further: those that are
// placed, in good health and not full, then the others. Among these, the ones that
// failed lately come before those that should not be written to at all.
func (d *delivery) candidates() (well, ill []protocol.NodeID) {
	var unplaced []protocol.NodeID
	wanted := d.layout.wanted(d.parcel.Hash, d.need.Redundancy)
	for _, n := range append(wanted, d.layout.further(d.parcel.Hash, wanted)...) {
		acked := slices.ContainsFunc(d.claims, func(c protocol.Claim) bool { return c.Node == n })
		switch {
		case acked:
		case !placed(d.layout.state(n)):
			unplaced = append(unplaced, n)
		case d.fleet.roster.well(n) && d.fleet.roster.hasRoom(n):
			well = append(well, n)
		default:
			ill = append(ill, n)
		}
	}
	return well, append(ill, unplaced...)
}

// next sends the parcel to the next node in line.
func (d *delivery) next() {
	if len(d.line) == 0 {
		return
	}
	n := d.line[0]
	d.line, d.well = d.line[1:], d.well-1
	d.pending++
	d.parcel.Hold()
	l := d.layout
	go func() {
		claim, err := d.fleet.send(d.ctx, l, n, d.parcel, d.version)
		d.parcel.Release()
		d.results <- sent{n, claim, err}
	}()
}

// take notes a result and reports whether it was an acknowledgement.
func (d *delivery) take(r sent) bool {
	d.pending--
	if r.err != nil {
		d.causes = append(d.causes, fmt.Errorf("node %d: %w", r.node, r.err))
		return false
	}
	d.claims = append(d.claims, r.claim)
	return true
}

// finish returns the claims so far. Where the stragglers have room it leaves
// the rest to them, otherwise it waits for the rest.
func (d *delivery) finish(late func(protocol.Claim)) []protocol.Claim {
	size := int64(len(d.parcel.Body))
	if d.pending > 0 && !d.fleet.stragglers.add(size) {
		for d.pending > 0 {
			d.take(<-d.results)
		}
	}
	claims := slices.Clone(d.claims)
	if d.pending == 0 {
		d.cancel()
		return claims
	}
	d.fleet.work.Go(func() {
		defer d.fleet.stragglers.remove(size)
		d.settle(late)
		d.cancel()
	})
	return claims
}

// settle takes what is pending and tells late of new claims.
func (d *delivery) settle(late func(protocol.Claim)) {
	for d.pending > 0 {
		if r := <-d.results; d.take(r) && late != nil {
			late(r.claim)
		}
	}
}

func (d *delivery) failure(ctx context.Context) error {
	if ctx.Err() != nil {
		return protocol.Errorf(protocol.Canceled, "storing block %s: %w", d.parcel.Hash.Short(), context.Cause(ctx))
	}
	kind := protocol.Unavailable
	for _, c := range d.causes {
		if k := protocol.KindOf(c); k == protocol.Full || k == protocol.LayoutUnready || k == protocol.WrongCluster {
			kind = k
		}
	}
	return protocol.Errorf(kind, "block %s was acknowledged by %d nodes, which are too few: %w", d.parcel.Hash.Short(), len(d.claims), joinSome(d.causes))
}

// joinSome joins the last few causes, each once; a block that failed for long has
// many that say the same.
func joinSome(causes []error) error {
	const most = 6
	var some []error
	for _, c := range slices.Backward(causes) {
		same := func(e error) bool { return e.Error() == c.Error() }
		if len(some) < most && !slices.ContainsFunc(some, same) {
			some = append(some, c)
		}
	}
	slices.Reverse(some)
	return errors.Join(some...)
}

// send does one PUT and checks that the acknowledgement means what was sent.
func (f *Fleet) send(ctx context.Context, l *layout, n protocol.NodeID, p *Parcel, u protocol.Version) (protocol.Claim, error) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	req.Header.SetMethod(fasthttp.MethodPut)
	req.Header.Set(protocol.HeaderVersion, u.String())
	req.Header.Set(protocol.HeaderPlainSize, strconv.Itoa(p.Plain))
	req.Header.Set(fasthttp.HeaderContentEncoding, "zstd")
	req.Header.Set(fasthttp.HeaderAccept, protocol.TypeProtobuf)
	req.Header.SetContentType(protocol.TypeBytes)
	req.SetBodyRaw(p.Body)
	err := f.exchange(ctx, l, n, blockPath(p.Hash), len(p.Body), req, resp)
	var ack pb.Ack
	if err == nil && len(resp.Body()) <= maxAnswer {
		err = ack.UnmarshalVT(resp.Body())
	}
	fasthttp.ReleaseRequest(req)
	fasthttp.ReleaseResponse(resp)
	if err != nil {
		return protocol.Claim{}, err
	}
	f.roster.took(n)
	return claimOf(&ack, p.Hash, n)
}

func blockPath(h protocol.Hash) string { return protocol.PathBlocks + "/" + h.String() }

// claimOf reads an acknowledgement of h by n.
func claimOf(a *pb.Ack, h protocol.Hash, n protocol.NodeID) (protocol.Claim, error) {
	got, err := protocol.HashFromBytes(a.GetHash())
	if err != nil || got != h || protocol.NodeID(a.GetNode()) != n {
		return protocol.Claim{}, protocol.Errorf(protocol.Internal, "node %d acknowledged block %x as node %d; asked was block %s", n, a.GetHash(), a.GetNode(), h)
	}
	return protocol.Claim{
		Hash: h, Node: n,
		Version:     protocol.Version{Generation: a.GetVersion().GetGeneration(), Counter: a.GetVersion().GetCounter()},
		Incarnation: protocol.Incarnation(a.GetIncarnation()),
		Disk:        a.GetDisk(), Ack: a.GetAck(),
		PlainSize: a.GetPlainSize(), StoredSize: a.GetStoredSize(),
	}, nil
}
