package blocks

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client/internal/meta"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

const (
	// maxClaimsWaiting bounds the late claims that wait to be told. One that is
	// dropped costs a copy order later, never an object.
	maxClaimsWaiting = 8 * protocol.MaxTouchBatch
	// maxClaimsTold bounds the claims of one request, each of which may be of a block
	// of its own.
	maxClaimsTold = min(protocol.MaxTouchBatch, protocol.MaxBlocksPerPage)
	// maxReportsWaiting bounds the bad copies that wait to be reported.
	maxReportsWaiting = 1024
	// maxReportsKept bounds the memory of what was reported, which keeps one bad
	// copy from being reported by every read; reportAgain is how long it keeps it.
	maxReportsKept = 4096
	reportAgain    = time.Minute
	// maxReportsTold bounds the reports between two pauses, and so their rate: a
	// reader of a lost disk must not be what the leader is busy with.
	maxReportsTold = 16
	// tellPause lets claims gather: each request costs a log entry.
	tellPause = 50 * time.Millisecond
	// tellTimeout bounds one request behind the callers' backs.
	tellTimeout = 20 * time.Second
)

type report struct {
	hash  protocol.Hash
	node  protocol.NodeID
	cause protocol.Kind
}

// teller tells the leader, behind the callers' backs, of claims that came after
// their commit and of copies that a reader found missing or bad.
type teller struct {
	meta   *meta.Group
	logger *slog.Logger
	wake   chan struct{}

	mu       sync.Mutex
	claims   []protocol.Claim
	reports  []report
	reported map[report]time.Time
	busy     bool
	// idle is closed, and replaced, when nothing waits any more.
	idle    chan struct{}
	hurried bool
}

func newTeller(g *meta.Group, logger *slog.Logger) *teller {
	return &teller{meta: g, logger: logger, wake: make(chan struct{}, 1), reported: map[report]time.Time{}, idle: make(chan struct{})}
}

// Late queues claims of committed blocks; those over the limit are dropped.
func (f *Fleet) Late(claims ...protocol.Claim) {
	t := f.tell
	t.mu.Lock()
	room := max(0, maxClaimsWaiting-len(t.claims))
	t.claims = append(t.claims, claims[:min(room, len(claims))]...)
	t.mu.Unlock()
	t.poke()
}

// report queues a bad copy unless it was reported already; it never blocks.
func (t *teller) report(r report) {
	t.mu.Lock()
	told, known := t.reported[r]
	if (!known || time.Since(told) > reportAgain) && len(t.reports) < maxReportsWaiting {
		if len(t.reported) >= maxReportsKept {
			clear(t.reported)
		}
		t.reported[r] = time.Now()
		t.reports = append(t.reports, r)
	}
	t.mu.Unlock()
	t.poke()
}

func (t *teller) poke() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *teller) run(ctx context.Context) {
	for {
		select {
		case <-t.wake:
		case <-ctx.Done():
			return
		}
		for {
			if !t.inHurry() {
				t.gather(ctx)
			}
			if !t.once(ctx) {
				break
			}
		}
	}
}

func (t *teller) gather(ctx context.Context) {
	timer := time.NewTimer(tellPause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (t *teller) inHurry() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hurried
}

// once tells one batch of claims and one of reports, and reports whether there
// was anything to tell.
func (t *teller) once(ctx context.Context) bool {
	t.mu.Lock()
	n := min(len(t.claims), maxClaimsTold)
	m := min(len(t.reports), maxReportsTold)
	claims, reports := t.claims[:n:n], t.reports[:m:m]
	t.claims, t.reports = t.claims[n:], t.reports[m:]
	t.busy = n > 0 || len(reports) > 0
	if !t.busy {
		t.claims, t.reports = nil, nil
		close(t.idle)
		t.idle = make(chan struct{})
	}
	busy := t.busy
	t.mu.Unlock()
	if n > 0 {
		t.ask(ctx, protocol.PathClaims, claimsRequest(claims), &pb.ClaimsAnswer{})
	}
	for _, r := range reports {
		q := &pb.ReportRequest{Hash: r.hash[:], Node: uint32(r.node), Cause: uint32(r.cause)}
		if !t.ask(ctx, protocol.PathReport, q, &pb.ReportAnswer{}) {
			t.forget(r)
		}
	}
	return busy
}

// forget has the next read that finds r report it again.
func (t *teller) forget(r report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.reported, r)
}

func (t *teller) ask(ctx context.Context, path string, req, ans rpc.Message) (told bool) {
	timed, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	err := t.meta.Read(timed, path, req, ans)
	if err != nil {
		t.logger.Warn("the metaservers were not told", "path", path, "err", err)
	}
	return err == nil
}

// drain hurries what waits and returns when it is told or ctx has ended.
func (t *teller) drain(ctx context.Context) {
	t.mu.Lock()
	t.hurried = true
	idle := t.idle
	waiting := len(t.claims) > 0 || len(t.reports) > 0 || t.busy
	t.mu.Unlock()
	if !waiting {
		return
	}
	t.poke()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// claimsRequest lists each claim's block once, in order of first mention, with a
// node's newest claim of it, and no more nodes than a request may name. Puts of the
// same bytes at once claim one block over and over.
func claimsRequest(claims []protocol.Claim) *pb.ClaimsRequest {
	q := &pb.ClaimsRequest{Blocks: &pb.Blocks{}}
	at := map[protocol.Hash]uint32{}
	var newest [][]protocol.Claim
	for _, c := range claims {
		i, ok := at[c.Hash]
		if !ok {
			i = uint32(len(at))
			at[c.Hash] = i
			AppendBlock(q.Blocks, c.Hash, c.PlainSize, c.StoredSize)
			newest = append(newest, nil)
		}
		newest[i] = keepNewest(newest[i], c)
	}
	for i, list := range newest {
		for _, c := range list {
			q.Claims = append(q.Claims, WireClaim(uint32(i), c))
		}
	}
	return q
}

// keepNewest adds c to a block's claims, in the place of an older one of its node.
func keepNewest(list []protocol.Claim, c protocol.Claim) []protocol.Claim {
	for i, o := range list {
		if o.Node != c.Node {
			continue
		}
		if cmp.Or(cmp.Compare(o.Incarnation, c.Incarnation), o.Version.Compare(c.Version), cmp.Compare(o.Ack, c.Ack)) < 0 {
			list[i] = c
		}
		return list
	}
	if len(list) == protocol.MaxClaimsPerBlock {
		return list
	}
	return append(list, c)
}

// AppendBlock adds one block to b's columns.
func AppendBlock(b *pb.Blocks, h protocol.Hash, plain, stored uint32) {
	b.Hashes = append(b.Hashes, h[:]...)
	b.PlainSizes = append(b.PlainSizes, plain)
	b.StoredSizes = append(b.StoredSizes, stored)
}

// WireClaim is c as the wire says it of block i.
func WireClaim(i uint32, c protocol.Claim) *pb.Claim {
	return &pb.Claim{
		Block: i, Node: uint32(c.Node), Incarnation: uint64(c.Incarnation), Disk: c.Disk, Ack: c.Ack,
		Generation: c.Version.Generation, Counter: c.Version.Counter,
	}
}
