package api

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/api/fleet"
	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// Defaults of Config.
const (
	// DefaultProposeTimeout bounds how long a verb waits for its command.
	DefaultProposeTimeout = 15 * time.Second
	// DefaultReadTimeout bounds how long a verb waits for its view.
	DefaultReadTimeout = 10 * time.Second
)

// Log is what the verbs need of a replica. Both methods are safe for concurrent
// use and return errors of protocol's kinds.
type Log interface {
	// Propose returns the result of applying cmd; a result with a kind is no error.
	Propose(ctx context.Context, cmd *record.Command) (*record.Result, error)
	// View returns the state at the given level; the caller closes it.
	View(ctx context.Context, level pb.Level, min protocol.Version) (state.View, error)
}

// Group is the Raft group as this replica sees it at the moment.
type Group struct {
	// Leader is the server id of the leader, empty while none is known.
	Leader string
	// Voters are the server ids that count in quorums; Members are those and the
	// ones that do not vote yet.
	Voters, Members []string
}

// Config wires an API. Log, Group, Self, Work and Metrics are required.
type Config struct {
	Log   Log
	Group func() Group
	// Self is this server's id in the group.
	Self string
	// Observed tells what the leader's pings have shown of a blockserver; nil: that
	// all answer.
	Observed func(protocol.NodeID) dispatch.Sighting
	// Ended is told of commands that may have ended an object or upload; nil: nobody.
	Ended func()
	// Work is the leader's background work.
	Work    Work
	Metrics *Metrics
	Logger  *slog.Logger
	// Now is the wall clock, for people; nil: the machine's.
	Now                         func() time.Time
	ProposeTimeout, ReadTimeout time.Duration
}

// API answers the client verbs. Make it with New.
type API struct {
	cfg     Config
	reports *reports
}

// New returns an API over cfg.
func New(cfg Config) *API {
	if cfg.Observed == nil {
		cfg.Observed = func(protocol.NodeID) dispatch.Sighting { return dispatch.Sighting{Reachable: true} }
	}
	if cfg.Ended == nil {
		cfg.Ended = func() {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.ProposeTimeout <= 0 {
		cfg.ProposeTimeout = DefaultProposeTimeout
	}
	if cfg.ReadTimeout <= 0 {
		cfg.ReadTimeout = DefaultReadTimeout
	}
	return &API{cfg: cfg, reports: newReports(cfg.Logger)}
}

// Mount registers every verb at s.
func (a *API) Mount(s *rpc.Server) {
	mount(a, s, protocol.PathCommit, a.commit)
	mount(a, s, protocol.PathLookup, a.lookup)
	mount(a, s, protocol.PathList, a.list)
	mount(a, s, protocol.PathDelete, a.delete)
	mount(a, s, protocol.PathUndelete, a.undelete)
	mount(a, s, protocol.PathTrashList, a.trashList)
	mount(a, s, protocol.PathTrashEmpty, a.trashEmpty)
	mount(a, s, protocol.PathBucketSet, a.bucketSet)
	mount(a, s, protocol.PathBucketGet, a.bucketGet)
	mount(a, s, protocol.PathUploadCreate, a.uploadCreate)
	mount(a, s, protocol.PathUploadAppend, a.uploadAppend)
	mount(a, s, protocol.PathUploadAbort, a.uploadAbort)
	mount(a, s, protocol.PathSessionOpen, a.sessionOpen)
	mount(a, s, protocol.PathSessionClose, a.sessionClose)
	mount(a, s, protocol.PathPrepare, a.prepare)
	mount(a, s, protocol.PathClaims, a.claims)
	mount(a, s, protocol.PathBlockInfo, a.blockInfo)
	mount(a, s, protocol.PathReport, a.report)
	mount(a, s, protocol.PathLayout, a.layout)
	mount(a, s, protocol.PathNodeRegister, a.register)
	mount(a, s, protocol.PathClusterStatus, a.status)
	mount(a, s, protocol.PathPrefixDelete, a.prefixDelete)
	mount(a, s, protocol.PathPrefixList, a.prefixList)
	mount(a, s, protocol.PathPrefixCancel, a.prefixCancel)
	mount(a, s, protocol.PathAudit, a.audit)
	mount(a, s, protocol.PathExplain, a.explainBlock)
	mount(a, s, protocol.PathWorkList, a.workList)
	mount(a, s, protocol.PathWorkRetry, a.workRetry)
	mount(a, s, protocol.PathWorkSet, a.workSet)
	mount(a, s, protocol.PathWorkPlan, a.workPlan)
	a.mountFleet(s)
}

// mountFleet registers the verbs of package fleet.
func (a *API) mountFleet(s *rpc.Server) {
	v := fleet.New(fleet.Config{
		View:    func(ctx context.Context, level pb.Level) (state.View, error) { return a.view(ctx, level, nil) },
		Propose: a.propose, Leader: a.cfg.Work,
	})
	mount(a, s, protocol.PathNodeList, v.NodeList)
	mount(a, s, protocol.PathNodeStop, v.NodeStop)
	mount(a, s, protocol.PathNodeSet, v.NodeSet)
	mount(a, s, protocol.PathNodeRemove, v.NodeRemove)
	mount(a, s, protocol.PathLayoutPlan, v.LayoutPlan)
	mount(a, s, protocol.PathLayoutApply, v.LayoutApply)
	mount(a, s, protocol.PathLayoutHistory, v.LayoutHistory)
	mount(a, s, protocol.PathJobList, v.JobList)
	mount(a, s, protocol.PathJobCancel, v.JobCancel)
}

// mount registers one verb: counted by kind, with not-leader explained.
func mount[Q any, PQ interface {
	*Q
	rpc.Message
}, A rpc.Message](a *API, s *rpc.Server, path string, fn func(context.Context, PQ) (A, error)) {
	count := a.cfg.Metrics.verb(strings.TrimPrefix(path, "/v1/"))
	rpc.Handle(s, path, func(ctx context.Context, req PQ) (A, error) {
		ans, err := fn(ctx, req)
		if err != nil {
			err = a.explain(ctx, err)
		}
		count(err)
		return ans, err
	})
}
