package metaserver

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-7d21a5b5/ashlar/metaserver/api/admin"
	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
	"github.com/seed-7d21a5b5/ashlar/metaserver/replica"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// Server is a running metaserver.
type Server struct {
	cfg      Config
	identity identity // changed by form only
	ports    ports
	registry *prometheus.Registry

	replica    *replica.Replica
	client     *rpc.Server
	adminHTTP  *http.Server
	pinger     *rpc.Client
	orders     *rpc.Client
	admin      *admin.Client
	dispatcher *dispatch.Dispatcher
	leading    atomic.Bool
	asked      bool // form's: a generation may have been started

	ready     chan struct{}
	readyOnce sync.Once

	// stop ends the background; background waits for all of it.
	stop       context.CancelFunc
	background sync.WaitGroup

	failOnce sync.Once
	failed   chan struct{}
	fatal    error // set before failed is closed

	closing   atomic.Bool
	closeOnce sync.Once
	closed    chan struct{}
	closeErr  error // set before closed is closed
}

// Start opens the ports and the replica and begins to serve. With Join on an empty
// folder it waits until a member has told which cluster it is. ctx bounds the
// start only. Errors are *protocol.Error where the configuration or the folder is
// at fault.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	p, err := listen(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, ports: p, registry: prometheus.NewRegistry(),
		ready: make(chan struct{}), failed: make(chan struct{}), closed: make(chan struct{}),
	}
	if s.identity, err = settle(ctx, cfg); err == nil {
		err = s.openReplica()
	}
	if err != nil {
		p.close()
		return nil, err
	}
	s.wire()
	s.serve()
	cfg.Logger.Info("metaserver runs", "cluster", s.identity.Cluster, "server", s.identity.Server,
		"client", p.client.advertise, "raft", p.raft.advertise, "admin", p.admin.advertise)
	return s, nil
}

func (s *Server) openReplica() error {
	rc := s.cfg.Replica
	rc.Dir = filepath.Join(s.cfg.Dir, "replica")
	rc.Listener = s.ports.raft.Listener
	rc.Advertise = s.ports.raft.advertise
	rc.Cluster = s.identity.Cluster
	rc.ID = s.identity.Server.String()
	rc.Logger = s.cfg.Logger
	rc.OnFatal = s.fail
	rc.Now = s.cfg.now
	rc.OnRemoved = s.removed
	if s.restoring() {
		if err := s.restore(rc); err != nil {
			return errors.Join(err, rc.Listener.Close())
		}
	}
	r, err := replica.Open(rc)
	if err != nil {
		return err
	}
	if err := s.judge(r.Status()); err != nil {
		return errors.Join(err, r.Close(context.Background()))
	}
	s.replica = r
	return nil
}

// judge refuses a folder that has lost its log, and a Raft port that moved: the
// group would never find this server there.
func (s *Server) judge(st replica.Status) error {
	if s.identity.Formed && st.LastLog == 0 && st.AppliedIndex == 0 {
		return protocol.Errorf(protocol.Corrupt, "%s belongs to a formed cluster but its log is empty: it was lost; move the folder away and join as a new server", s.cfg.Dir)
	}
	for _, m := range st.Members {
		if m.ID == st.ID && m.RaftAddress != st.RaftAddress {
			return protocol.Errorf(protocol.InvalidArgument, "the group knows this server's raft port as %s, not %s: use that address, or remove this member and join on an empty folder", m.RaftAddress, st.RaftAddress)
		}
	}
	return nil
}

// serve starts everything that runs in the background.
func (s *Server) serve() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	open := func() {
		s.background.Go(func() { s.serveUntilClosed("client", s.client.Serve(s.ports.client)) })
		s.background.Go(func() { s.serveUntilClosed("admin", s.adminHTTP.Serve(s.ports.admin)) })
		s.background.Go(func() { s.lead(ctx) })
	}
	closed := s.restoring()
	if !closed {
		open()
	}
	s.background.Go(func() {
		if err := s.form(ctx); err != nil {
			if ctx.Err() == nil {
				s.fail(err)
			}
			return
		}
		if closed {
			open()
		}
		s.announce(ctx)
	})
}

// lead does the leader's work for as long as this server leads.
func (s *Server) lead(ctx context.Context) {
	stop := func() {}
	defer func() {
		stop()
		s.leading.Store(false)
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case l, open := <-s.replica.Leadership():
			if !open {
				return
			}
			stop()
			s.leading.Store(l.Leader)
			stop = func() {}
			if l.Leader {
				s.cfg.Logger.Info("leads", "term", l.Term)
				stop = s.startDispatch(ctx, l.Term)
			}
		}
	}
}

// startDispatch runs the dispatcher; the function returned ends it and waits.
func (s *Server) startDispatch(ctx context.Context, term uint64) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { s.dispatcher.Run(ctx, term) })
	return func() {
		cancel()
		done.Wait()
	}
}

// ClientAddr is the client port's address as others dial it.
func (s *Server) ClientAddr() string { return s.ports.client.advertise }

// RaftAddr is the Raft port's address as others dial it.
func (s *Server) RaftAddr() string { return s.ports.raft.advertise }

// AdminAddr is the admin port's address as others dial it.
func (s *Server) AdminAddr() string { return s.ports.admin.advertise }

// Cluster is the cluster's id.
func (s *Server) Cluster() protocol.ID { return s.identity.Cluster }

// ID is this server's id in the group.
func (s *Server) ID() string { return s.identity.Server.String() }

// Ready is closed once this server is a voter, the log knows its addresses, and a
// leader is known.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// IsLeader tells whether this server leads and has applied all that was before.
func (s *Server) IsLeader() bool { return s.leading.Load() }

// Status is the replica's word about itself and its group.
func (s *Server) Status() replica.Status { return s.replica.Status() }
