package health

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Config is what a Loop needs of its leadership. Look and Propose are required.
type Config struct {
	// Look runs fn over the leader's applied state.
	Look func(ctx context.Context, fn func(state.Reader) error) error
	// Propose proposes cmd; a result with a kind is an error.
	Propose func(ctx context.Context, cmd *record.Command) (*record.Result, error)
	// See tells what pings have shown of a node.
	See func(protocol.NodeID) Sight
	// Changed is told that an entry changed what follows for background work.
	Changed func()
	// Every is the time between two looks.
	Every  time.Duration
	Logger *slog.Logger
}

// Loop is one leadership's care for the nodes' states. Make it with New.
type Loop struct {
	cfg   Config
	paces paces
}

// New returns a Loop that has seen nothing.
func New(cfg Config) *Loop { return &Loop{cfg: cfg} }

// Run looks and proposes until ctx ends.
func (l *Loop) Run(ctx context.Context) {
	tick := time.NewTicker(l.cfg.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := l.round(ctx); err != nil && ctx.Err() == nil && protocol.KindOf(err) != protocol.NotLeader {
			l.cfg.Logger.Warn("leader's work: will try again", "step", "health of nodes", "error", err)
		}
	}
}

// round is one look and what follows from it.
func (l *Loop) round(ctx context.Context) error {
	var commands []*record.Command
	err := l.cfg.Look(ctx, func(r state.Reader) (err error) {
		commands, err = l.plan(r)
		return err
	})
	if err != nil {
		return err
	}
	for _, c := range commands {
		switch _, err := l.cfg.Propose(ctx, c); protocol.KindOf(err) {
		case 0:
			l.cfg.Logger.Info("nodes and layout", "entry", describe(c))
			l.cfg.Changed()
		case protocol.Changed, protocol.PreconditionFailed:
			// The state has moved on, and the next look sees where to.
		default:
			return err
		}
	}
	return nil
}

func (l *Loop) plan(r state.Reader) (commands []*record.Command, err error) {
	cluster, err := state.ClusterRow(r)
	if err != nil {
		return nil, err
	}
	nodes, err := state.Nodes(r)
	if err != nil {
		return nil, err
	}
	jobs, err := Jobs(r, false)
	if err != nil {
		return nil, err
	}
	l.paces.observe(time.Now(), jobs)
	v := View{Nodes: nodes, Settings: cluster.GetSettings(), See: l.cfg.See}
	for _, q := range Decide(v) {
		commands = append(commands, &record.Command{Body: &record.Command_SetNodeState{SetNodeState: q}})
	}
	if joining := Joining(v); len(joining) > 0 && len(commands) == 0 {
		plan, err := state.PlanLayout(r, joining)
		if err != nil {
			return nil, err
		}
		commands = append(commands, &record.Command{Body: &record.Command_ChangeLayout{ChangeLayout: &record.ChangeLayout{
			IfLayoutVersion: plan.LayoutVersion, Changes: plan.Changes, Algorithm: plan.Algorithm, TableDigest: plan.TableDigest,
			Reason: "automatic layout: " + named(joining) + " joined",
		}}})
	}
	return commands, nil
}

func named(changes []*pb.NodeChange) string {
	const most = 8
	var words []string
	for _, c := range changes[:min(len(changes), most)] {
		words = append(words, fmt.Sprintf("node %d", c.GetNode()))
	}
	if len(changes) > most {
		words = append(words, fmt.Sprintf("%d more", len(changes)-most))
	}
	return strings.Join(words, ", ")
}

func describe(c *record.Command) string {
	if q := c.GetSetNodeState(); q != nil {
		word := state.StateName(q.GetState())
		if q.GetAway() {
			word += " and away: its copies are made again elsewhere"
		}
		return fmt.Sprintf("node %d is %s", q.GetNode(), word)
	}
	return c.GetChangeLayout().GetReason()
}

// Measure completes jobs with what this leadership has seen of their speed.
func (l *Loop) Measure(jobs []*pb.JobInfo) {
	for _, j := range jobs {
		l.paces.fill(j)
	}
}
