package orders

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

const (
	// MaxBatch bounds the orders of one request.
	MaxBatch = 256
	// defaultSlice bounds the time of a batch that names none, maxSlice any.
	defaultSlice = 2 * time.Second
	maxSlice     = 10 * time.Second
	// workers carry out the orders of a batch side by side.
	workers = 4
	// maxBatches bounds the batches under way; one more is Busy.
	maxBatches = 4
)

// Config is what a Worker needs.
type Config struct {
	Store *store.Store
	// Client fetches blocks from other nodes.
	Client *rpc.Client
	// Charge takes n bytes of the budget for blocks in flight and returns how to
	// give them back; an error, Busy, fails the order.
	Charge func(n int) (discharge func(), err error)
	Logger *slog.Logger
}

// Worker carries out orders. It is safe for concurrent use.
type Worker struct {
	cfg     Config
	batches chan struct{}

	mu sync.Mutex
	// met is the highest place met, below which nothing begins; admitted is the
	// highest that was let in.
	met, admitted place
	// deletes counts those under way; ended, if somebody waits, is closed when there
	// is none.
	deletes int
	ended   chan struct{}
}

// New returns a Worker that has met what the store has met.
func New(cfg Config) *Worker {
	seen := place{generation: cfg.Store.HighestSeen().Generation}
	return &Worker{cfg: cfg, batches: make(chan struct{}, maxBatches), met: seen, admitted: seen}
}

// Carry runs a batch. Errors are for the batch as a whole: TooLarge, and what Admit
// answers.
func (w *Worker) Carry(ctx context.Context, q *pb.OrdersRequest) (*pb.OrdersAnswer, error) {
	if len(q.GetOrders()) > MaxBatch {
		return nil, protocol.Errorf(protocol.TooLarge, "a batch has at most %d orders; this one has %d", MaxBatch, len(q.GetOrders()))
	}
	end := endOf(q)
	leave, err := w.admit(ctx, q, end)
	if err != nil {
		return nil, err
	}
	defer leave()
	answers := w.run(ctx, q, end)
	return &pb.OrdersAnswer{Answers: answers, FreeSlots: w.FreeSlots()}, nil
}

// endOf is when the slice of q, which begins now, is over.
func endOf(q *pb.OrdersRequest) time.Time {
	slice := defaultSlice
	if ms := q.GetSliceMs(); ms > 0 {
		slice = min(time.Duration(ms)*time.Millisecond, maxSlice)
	}
	return time.Now().Add(slice)
}

// FreeSlots is the credit: orders that another batch may hold now.
func (w *Worker) FreeSlots() uint32 {
	return uint32((cap(w.batches) - len(w.batches)) * MaxBatch / cap(w.batches))
}

// run carries the orders out, each worker taking the next, until end or until a
// higher generation or term was met.
func (w *Worker) run(ctx context.Context, q *pb.OrdersRequest, end time.Time) []*pb.OrderAnswer {
	answers := make([]*pb.OrderAnswer, len(q.GetOrders()))
	next := make(chan int, len(answers))
	for i := range answers {
		next <- i
	}
	close(next)
	var group sync.WaitGroup
	for range min(workers, len(answers)) {
		group.Go(func() {
			for i := range next {
				o := q.GetOrders()[i]
				if ctx.Err() != nil || time.Now().After(end) {
					answers[i] = handedBack(o)
					continue
				}
				answers[i] = w.carry(ctx, q, o)
			}
		})
	}
	group.Wait()
	return answers
}

func handedBack(o *pb.Order) *pb.OrderAnswer {
	return &pb.OrderAnswer{Id: o.GetId(), Outcome: pb.Outcome_OUTCOME_HANDED_BACK}
}

// carry runs one order of q and says how it ended. It is handed back if a higher
// generation or term than q's was met since. A delete is counted, so that none of a
// lower generation is under way behind the inventory that the new one asks for;
// what else an order does takes no good file away.
func (w *Worker) carry(ctx context.Context, q *pb.OrdersRequest, o *pb.Order) *pb.OrderAnswer {
	isDelete := o.GetKind() == pb.OrderKind_ORDER_KIND_DELETE
	if !w.begin(placeOf(q), isDelete) {
		return handedBack(o)
	}
	if isDelete {
		defer w.endDelete()
	}
	answer, err := w.dispatch(ctx, o)
	if err != nil {
		e := protocol.AsError(err)
		w.cfg.Logger.Debug("order failed", "kind", o.GetKind(), "hash", protocol.Quote(string(o.GetHash())), "error", err)
		answer = &pb.OrderAnswer{Outcome: pb.Outcome_OUTCOME_FAILED, Kind: uint32(e.Kind), Detail: e.Detail}
	}
	answer.Id = o.GetId()
	return answer
}

func (w *Worker) dispatch(ctx context.Context, o *pb.Order) (*pb.OrderAnswer, error) {
	h, err := protocol.HashFromBytes(o.GetHash())
	if err != nil {
		return nil, err
	}
	v := protocol.Version{Generation: o.GetVersion().GetGeneration(), Counter: o.GetVersion().GetCounter()}
	if v.IsZero() {
		return nil, protocol.Errorf(protocol.InvalidArgument, "an order names a version")
	}
	switch o.GetKind() {
	case pb.OrderKind_ORDER_KIND_COPY:
		return w.copy(ctx, h, v, o.GetSources())
	case pb.OrderKind_ORDER_KIND_DELETE:
		return w.delete(ctx, h, v)
	case pb.OrderKind_ORDER_KIND_VERIFY:
		return w.verify(ctx, h, v)
	}
	return nil, protocol.Errorf(protocol.Unsupported, "this node does not know orders of kind %d", o.GetKind())
}

// claimed answers with an acknowledgement.
func claimed(outcome pb.Outcome, c protocol.Claim) *pb.OrderAnswer {
	return &pb.OrderAnswer{Outcome: outcome, Ack: &pb.Ack{
		Hash: c.Hash[:], Node: uint32(c.Node), Incarnation: uint64(c.Incarnation), Disk: c.Disk, Ack: c.Ack,
		Version: &pb.Version{Generation: c.Version.Generation, Counter: c.Version.Counter}, PlainSize: c.PlainSize, StoredSize: c.StoredSize,
	}}
}

// absent reports that there is no good file, which is known and durable.
func absent(err error) bool {
	kind := protocol.KindOf(err)
	return kind == protocol.NotFound || kind == protocol.Quarantined
}
