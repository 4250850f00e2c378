package blockserver

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/blockserver/orders"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// Server is a running blockserver. All methods are safe for concurrent use.
type Server struct {
	cfg     Config
	store   *store.Store
	rpc     *rpc.Server
	ln      net.Listener
	memory  *memory
	metrics *metrics
	// orders carries out what the leader sends; peers is what it fetches with.
	orders *orders.Worker
	peers  *rpc.Client

	// touches and slots are held by touch requests and by the blocks they verify.
	touches, slots chan struct{}

	// member is what the present start was admitted as, nil between two starts;
	// superseded rouses join when it was taken away.
	member     atomic.Pointer[membership]
	superseded chan struct{}
	ready      chan struct{}
	opened     sync.Once
	// newest is the highest version that a metaserver told; asking is held by the
	// request that asks for a newer one.
	newest atomic.Pointer[protocol.Version]
	// best is the place of the metaserver that told newest.
	best   atomic.Int32
	asking chan struct{}

	// life ends when Close gives up on what is still running.
	life context.Context
	end  context.CancelFunc
	// work is read-locked by every request while it may use the store.
	work sync.RWMutex

	background sync.WaitGroup
	closing    sync.Once
	failed     chan error
	closed     chan struct{}
	closeErr   error
}

// Start opens the store, binds the port and serves reads before it returns; it
// registers in the background. ctx bounds nothing after Start has returned. Errors:
// InvalidArgument for a Config that cannot work, Unavailable for a port that cannot be
// bound, and those of store.Open.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	ln, err := cfg.listen()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, ln: ln, memory: &memory{limit: cfg.MaxMemory},
		touches: make(chan struct{}, maxTouches), slots: make(chan struct{}, touchSlots),
		asking: make(chan struct{}, 1), superseded: make(chan struct{}, 1),
		ready: make(chan struct{}), failed: make(chan error, 2), closed: make(chan struct{}),
	}
	if s.store, err = store.Open(store.Config{Dirs: cfg.Data, Marks: cfg.Marks, Logger: cfg.Logger}); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	s.metrics = newMetrics(s)
	s.rpc = rpc.NewServer(rpc.ServerConfig{
		Name: "blockserver", Cluster: s.store.Cluster, Logger: cfg.Logger, MaxBody: protocol.MaxStoredSize, StreamBodies: true,
		Concurrency: cfg.MaxRequests, MaxConnsPerAddress: cfg.MaxConnsPerAddress,
		ReadTimeout: cfg.ReadTimeout, WriteTimeout: cfg.WriteTimeout, IdleTimeout: cfg.IdleTimeout,
	})
	s.peers = rpc.NewClient(rpc.ClientConfig{Cluster: s.store.Cluster(), MaxAnswer: protocol.MaxStoredSize})
	s.orders = orders.New(orders.Config{Store: s.store, Client: s.peers, Charge: s.charge, Logger: cfg.Logger})
	s.routes()
	s.background.Go(s.serve)
	s.background.Go(s.join)
	return s, nil
}

// Run starts a server and returns when ctx ends, with nil, or when the server
// cannot go on, with the reason. It lets requests in flight finish.
func Run(ctx context.Context, cfg Config) error {
	s, err := Start(ctx, cfg)
	if err != nil {
		return err
	}
	var cause error
	select {
	case <-ctx.Done():
	case cause = <-s.failed:
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	return errors.Join(cause, s.Close(drain))
}

func (s *Server) serve() {
	if err := s.rpc.Serve(s.ln); err != nil {
		s.fail(protocol.Errorf(protocol.Unavailable, "serve on %s: %w", s.ln.Addr(), err))
	}
}

// join registers, and anew each time that a start was superseded: after a pause
// that grows, since two processes that pass for one node would take turns.
func (s *Server) join() {
	for starts := 1; ; starts++ {
		if err := s.register(s.life); err != nil {
			if protocol.KindOf(err) != protocol.Canceled {
				s.cfg.Logger.Error("refused", "error", err)
				s.fail(err)
			}
			return
		}
		select {
		case <-s.superseded:
		case <-s.life.Done():
			return
		}
		s.store.Dismiss()
		if !pause(s.life, starts) {
			return
		}
	}
}

// fail tells Wait and Run that the server cannot go on.
func (s *Server) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// Addr returns the address that the server listens on, host:port.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// Node returns the node's number; 0 while it is not registered.
func (s *Server) Node() protocol.NodeID {
	if m := s.member.Load(); m != nil {
		return m.node
	}
	return 0
}

// Ready is closed when the node is registered for the first time and may acknowledge.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Wait returns when the server has been closed, with nil, or when it cannot go
// on, with the reason: Removed and WrongCluster are refusals of its identity.
// The caller still has to Close it then.
func (s *Server) Wait() error {
	select {
	case err := <-s.failed:
		s.failed <- err
		return err
	case <-s.closed:
		return nil
	}
}

// Close stops accepting, lets requests in flight finish until ctx ends, cuts off
// the rest, waits for what the disks are still doing, and closes the store. The
// error is ctx's if anything was cut off. Later calls wait for the first.
func (s *Server) Close(ctx context.Context) error {
	s.closing.Do(func() {
		s.closeErr = s.close(ctx)
		close(s.closed)
	})
	<-s.closed
	return s.closeErr
}

func (s *Server) close(ctx context.Context) error {
	err := s.rpc.Shutdown(ctx)
	s.end()
	s.peers.Close()
	s.background.Wait()
	s.work.Lock()
	defer s.work.Unlock()
	return errors.Join(err, s.store.Close())
}

// routes binds every path to its verb.
func (s *Server) routes() {
	raw := func(path, name string, fn func(*fasthttp.RequestCtx) error) {
		s.rpc.HandleRaw(path, func(ctx *fasthttp.RequestCtx) error { return s.measure(name, func() error { return fn(ctx) }) })
	}
	s.rpc.HandleRaw(protocol.PathBlocks+"/", s.block)
	raw(protocol.PathBlocks, "post", func(ctx *fasthttp.RequestCtx) error {
		if err := verb(ctx, "POST", fasthttp.MethodPost); err != nil {
			return err
		}
		return s.post(ctx)
	})
	raw(protocol.PathInventory, "inventory", s.inventory)
	raw(protocol.PathStatus, "status", s.status)
	raw("/healthz", "healthz", s.healthz)
	raw("/readyz", "readyz", s.readyz)
	raw("/metrics", "metrics", s.metrics.serve)
	rpc.Handle(s.rpc, protocol.PathTouch, func(ctx context.Context, q *pb.TouchRequest) (answer *pb.TouchAnswer, err error) {
		err = s.measure("touch", func() error {
			answer, err = s.touch(ctx, q)
			return err
		})
		return answer, err
	})
	s.rpc.LimitBody(protocol.PathTouch, protocol.MaxMetaRequest)
	rpc.Handle(s.rpc, protocol.PathOrders, func(ctx context.Context, q *pb.OrdersRequest) (answer *pb.OrdersAnswer, err error) {
		err = s.measure("orders", func() error {
			answer, err = s.carry(ctx, q)
			return err
		})
		return answer, err
	})
	s.rpc.LimitBody(protocol.PathOrders, protocol.MaxMetaRequest)
}

// carry is POST /v1/orders, for the leader only. NotRegistered, besides the time
// before Register: the leader knows of another start, and the node draws a new one.
func (s *Server) carry(ctx context.Context, q *pb.OrdersRequest) (*pb.OrdersAnswer, error) {
	m, err := s.admitted()
	if err != nil {
		return nil, err
	}
	if q.GetNode() != 0 && q.GetNode() != uint32(m.node) {
		return nil, protocol.Errorf(protocol.OrderRefused, "these orders are for node %d; this is node %s", q.GetNode(), m.node)
	}
	if q.GetIncarnation() > uint64(m.incarnation) || q.GetGeneration() > m.version.Generation {
		// A leader that was deposed may say so of a future that is lost.
		if err := s.orders.Admit(ctx, q); err != nil {
			return nil, err
		}
		s.supersede(m, q)
		return nil, protocol.Errorf(protocol.NotRegistered, "the node was admitted as incarnation %d in generation %d, and the leader is in generation %d and knows incarnation %d; it registers anew", m.incarnation, m.version.Generation, q.GetGeneration(), q.GetIncarnation())
	}
	answer, err := s.orders.Carry(ctx, q)
	if err == nil {
		answer.Node, answer.Incarnation = uint32(m.node), uint64(m.incarnation)
	}
	return answer, err
}

// charge takes memory for a block that an order fetches.
func (s *Server) charge(n int) (discharge func(), err error) {
	if err := s.memory.charge(n); err != nil {
		return nil, err
	}
	return func() { s.memory.discharge(n) }, nil
}

// block dispatches the verbs of one block's path.
func (s *Server) block(ctx *fasthttp.RequestCtx) error {
	name, fn := "other", func(ctx *fasthttp.RequestCtx, _ protocol.Hash) error { return verb(ctx, "GET, HEAD, PUT") }
	switch string(ctx.Method()) {
	case fasthttp.MethodGet:
		name, fn = "get", s.get
	case fasthttp.MethodHead:
		name, fn = "head", s.head
	case fasthttp.MethodPut:
		name, fn = "put", s.put
	}
	return s.measure(name, func() error {
		h, err := blockHash(ctx.Request.Header.RequestURI())
		if err != nil {
			return err
		}
		return fn(ctx, h)
	})
}

// measure runs a request's work, counts it, and keeps the store open meanwhile.
func (s *Server) measure(name string, fn func() error) (err error) {
	if !s.work.TryRLock() {
		return protocol.Errorf(protocol.Unavailable, "the server is closing")
	}
	defer s.work.RUnlock()
	begun := time.Now()
	// What a panic leaves to be counted.
	err = protocol.Errorf(protocol.Internal, "the handler broke")
	defer func() { s.metrics.observe(name, begun, err) }()
	err = fn()
	return err
}
