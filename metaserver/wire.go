package metaserver

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/metaserver/api"
	"github.com/seed-7d21a5b5/ashlar/metaserver/api/admin"
	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// wire makes the servers and the dispatcher over the open replica.
func (s *Server) wire() {
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collector{s})
	s.admin = admin.NewClient(s.identity.Cluster)
	s.pinger = rpc.NewClient(rpc.ClientConfig{
		Cluster: s.identity.Cluster, MaxConnsPerHost: 2, MaxAnswer: 64 << 10,
		Timeout: cmp.Or(s.cfg.Timing.PingTimeout, dispatch.DefaultPingTimeout),
	})
	s.orders = rpc.NewClient(rpc.ClientConfig{Cluster: s.Cluster(), Timeout: dispatch.DefaultOrderTimeout, MaxConnsPerHost: 4, MaxAnswer: maxNodeAnswer})
	s.dispatcher = dispatch.New(dispatch.Config{
		Log: s.replica, Ping: s.ping, Agreed: s.replica.Agreed, Diverged: s.replica.GiveUp, Nodes: nodes{s.orders}, Registry: s.registry, Logger: s.cfg.Logger, Timing: s.cfg.Timing, Now: s.cfg.now,
	})
	s.client = rpc.NewServer(rpc.ServerConfig{
		Name: "metaserver", Cluster: s.Cluster, Logger: s.cfg.Logger,
		MaxBody: protocol.MaxMetaRequest, Concurrency: s.cfg.Concurrency, MaxConnsPerAddress: s.cfg.ConnsPerAddress,
	})
	api.New(api.Config{
		Log: s.replica, Group: s.group, Self: s.ID(), Observed: s.dispatcher.Observed, Ended: s.dispatcher.Wake, Work: s.dispatcher,
		Metrics: api.NewMetrics(s.registry), Logger: s.cfg.Logger, Now: s.cfg.now,
	}).Mount(s.client)
	s.adminHTTP = &http.Server{
		Handler: admin.New(admin.Config{
			Replica: s.replica, Group: s.group, Self: s.ID(), Cluster: s.Cluster, Ready: s.notReady,
			Gatherer: s.registry, Logger: s.cfg.Logger, Now: s.cfg.now,
		}),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      3 * time.Minute, // profiles take as long as they are asked to
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

// group is the replica's view of the group in the words of package api.
func (s *Server) group() api.Group {
	st := s.replica.Status()
	g := api.Group{Leader: st.LeaderID}
	for _, m := range st.Members {
		g.Members = append(g.Members, m.ID)
		if m.Voter {
			g.Voters = append(g.Voters, m.ID)
		}
	}
	return g
}

// notReady returns why this server does not serve; nil: it does.
func (s *Server) notReady() error {
	if s.closing.Load() {
		return protocol.Errorf(protocol.Unavailable, "metaserver %s is closing", s.ID())
	}
	select {
	case <-s.failed:
		return s.fatal
	case <-s.ready:
	default:
		return protocol.Errorf(protocol.Unavailable, "metaserver %s is not yet a member that the log knows", s.ID())
	}
	if s.replica.Status().LeaderID == "" {
		return protocol.Errorf(protocol.Unavailable, "metaserver %s knows no leader", s.ID())
	}
	return nil
}

// ping asks a blockserver how it is.
func (s *Server) ping(ctx context.Context, addr string) (*pb.BlockserverStatus, error) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.Header.SetMethod(http.MethodGet)
	req.Header.Set(fasthttp.HeaderAccept, protocol.TypeProtobuf)
	if err := s.pinger.Do(ctx, addr, protocol.PathStatus, req, resp); err != nil {
		return nil, err
	}
	st := &pb.BlockserverStatus{}
	if err := st.UnmarshalVT(resp.Body()); err != nil {
		return nil, protocol.Errorf(protocol.Internal, "the status of %s cannot be read: %w", addr, err)
	}
	return st, nil
}
