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

	// mu is held shared by a delete under way, and exclusively to let in what is
	// higher.
	mu   sync.RWMutex
	term uint64
	// generation is the term's.
	generation uint32
}

// New returns a Worker that has met what the store has met.
func New(cfg Config) *Worker {
	return &Worker{cfg: cfg, batches: make(chan struct{}, maxBatches), generation: cfg.Store.HighestSeen().Generation}
}

// Carry runs a batch. Errors are for the batch as a whole: OrderRefused for a
// lower generation or term, Busy, TooLarge, and what Admit answers.
func (w *Worker) Carry(ctx context.Context, q *pb.OrdersRequest) (*pb.OrdersAnswer, error) {
	if len(q.GetOrders()) > MaxBatch {
		return nil, protocol.Errorf(protocol.TooLarge, "a batch has at most %d orders; this one has %d", MaxBatch, len(q.GetOrders()))
	}
	select {
	case w.batches <- struct{}{}:
		defer func() { <-w.batches }()
	default:
		return nil, protocol.Errorf(protocol.Busy, "%d batches of orders are under way; try again later", maxBatches)
	}
	if err := w.Admit(ctx, q.GetGeneration(), q.GetTerm()); err != nil {
		return nil, err
	}
	answers := w.run(ctx, q)
	return &pb.OrdersAnswer{Answers: answers, FreeSlots: w.FreeSlots()}, nil
}

// FreeSlots is the credit: orders that another batch may hold now.
func (w *Worker) FreeSlots() uint32 {
	return uint32((cap(w.batches) - len(w.batches)) * MaxBatch / cap(w.batches))
}

// Admit refuses, as OrderRefused, what is lower than the highest generation and term
// met, and meets what is higher, durably (Lower is refused). No delete of what is
// lower is under way when it returns. Errors besides: InvalidArgument for a
// generation that there cannot be, Disk, NotRegistered.
func (w *Worker) Admit(ctx context.Context, generation uint32, term uint64) error {
	if err := protocol.CheckGeneration(generation); err != nil {
		return err
	}
	if w.present(generation, term) {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lower(generation, term) {
		return protocol.Errorf(protocol.OrderRefused, "orders of generation %d, term %d; this node has met generation %d, term %d", generation, term, w.generation, w.term)
	}
	if generation > w.generation {
		if err := w.cfg.Store.Meet(ctx, protocol.Version{Generation: generation}); err != nil {
			return err
		}
	}
	w.generation, w.term = generation, term
	return nil
}

// lower: what is higher than these was met; under mu.
func (w *Worker) lower(generation uint32, term uint64) bool {
	return generation < w.generation || generation == w.generation && term < w.term
}

// present: these are the highest met.
func (w *Worker) present(generation uint32, term uint64) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return generation == w.generation && term == w.term
}

// run carries the orders out, each worker taking the next, until the slice is
// over or a higher generation or term was met.
func (w *Worker) run(ctx context.Context, q *pb.OrdersRequest) []*pb.OrderAnswer {
	slice := defaultSlice
	if ms := q.GetSliceMs(); ms > 0 {
		slice = min(time.Duration(ms)*time.Millisecond, maxSlice)
	}
	end := time.Now().Add(slice)
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
// generation or term than q's was met since. A delete holds mu, so that none of a
// lower generation is under way behind the inventory that the new one asks for;
// what else an order does takes no good file away.
func (w *Worker) carry(ctx context.Context, q *pb.OrdersRequest, o *pb.Order) *pb.OrderAnswer {
	w.mu.RLock()
	late := w.lower(q.GetGeneration(), q.GetTerm())
	if !late && o.GetKind() == pb.OrderKind_ORDER_KIND_DELETE {
		defer w.mu.RUnlock()
	} else {
		w.mu.RUnlock()
	}
	if late {
		return handedBack(o)
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
