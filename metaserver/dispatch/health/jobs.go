package health

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// The kinds of jobs as ids begin with them.
const (
	jobSweep = "sweep"
	jobDrain = "drain"
	// Delete is the kind of a delete of a prefix.
	Delete = "delete"
)

// SweepID and DrainID are the ids of jobs.
func SweepID(number uint64) string { return fmt.Sprintf("%s-%d", jobSweep, number) }

// DrainID names a node's drain.
func DrainID(node uint32) string { return fmt.Sprintf("%s-%d", jobDrain, node) }

// DeleteID names the delete of a prefix that began at a version.
func DeleteID(begun protocol.Version) string { return Delete + "-" + begun.String() }

// ParseDelete reads the id of a delete of a prefix; ok is false for any other text.
func ParseDelete(id string) (begun protocol.Version, ok bool) {
	text, ok := strings.CutPrefix(id, Delete+"-")
	if !ok {
		return begun, false
	}
	begun, err := protocol.ParseVersion(text)
	return begun, err == nil && !begun.IsZero()
}

// ParseID reads the id of a sweep or a drain: exactly one of sweep and node is not 0.
func ParseID(id string) (sweep uint64, node uint32, err error) {
	kind, digits, _ := strings.Cut(id, "-")
	n, bad := strconv.ParseUint(digits, 10, 32)
	switch {
	case bad != nil || n == 0:
	case kind == jobSweep:
		return n, 0, nil
	case kind == jobDrain:
		return 0, uint32(n), nil
	}
	return 0, 0, protocol.Errorf(protocol.InvalidArgument, "a job is called as in %s, %s or %s, not %s; `ashlar job list --ended` lists them", SweepID(12), DrainID(3), DeleteID(protocol.Version{Generation: 1, Counter: 77}), protocol.Quote(id))
}

// Jobs lists the sweeps, drains and deletes of prefixes that run, and with ended those that do not any
// more, from the state alone: no rates.
func Jobs(r state.Reader, ended bool) ([]*pb.JobInfo, error) {
	cluster, err := state.ClusterRow(r)
	if err != nil {
		return nil, err
	}
	sweeps, err := state.Sweeps(r)
	if err != nil {
		return nil, err
	}
	var out []*pb.JobInfo
	for _, s := range sweeps {
		if ended || s.State == record.Sweep_RUNNING {
			out = append(out, sweepJob(s, cluster.GetCounters()))
		}
	}
	nodes, err := state.Nodes(r)
	for i, n := range nodes {
		draining := n.State == pb.NodeState_NODE_STATE_DRAINING
		if draining || ended && n.State == pb.NodeState_NODE_STATE_DRAINED {
			out = append(out, drainJob(uint32(i+1), n))
		}
	}
	if err != nil {
		return nil, err
	}
	deletes, err := state.PrefixJobs(r, ended)
	for _, d := range deletes {
		out = append(out, deleteJob(d))
	}
	return out, err
}

// deleteJob is what the state says of a delete of a prefix. It counts objects, and
// nobody has counted those that are left.
func deleteJob(d *record.PrefixJob) *pb.JobInfo {
	return &pb.JobInfo{
		Id: DeleteID(protocol.Version{Generation: d.GetUpto().GetGeneration(), Counter: d.GetUpto().GetCounter()}), Kind: Delete,
		State: state.PrefixStateName(d.State), StartedUnixMs: d.StartedUnixMs, EndedUnixMs: d.EndedUnixMs,
		About: fmt.Sprintf("%s: %d objects deleted, %d kept", protocol.Quote(d.Bucket+"/"+d.Prefix), d.Objects, d.Kept),
	}
}

func sweepJob(s state.NumberedSweep, c *pb.Counters) *pb.JobInfo {
	j := &pb.JobInfo{
		Id: SweepID(s.Number), State: strings.ToLower(s.State.String()), StartedUnixMs: s.StartedUnixMs, EndedUnixMs: s.EndedUnixMs,
		BlocksTotal: max(s.BlocksTotal, s.BlocksSeen), BlocksDone: s.BlocksSeen,
	}
	switch s.Cause {
	case state.SweepLayout:
		j.Kind, j.About = "layout", fmt.Sprintf("layout version %d", s.LayoutVersion)
	case state.SweepAway:
		j.Kind, j.About = "rebuild", fmt.Sprintf("node %d is gone or away", s.Node)
	case state.SweepBack:
		j.Kind, j.About = "return", fmt.Sprintf("node %d is back", s.Node)
	default:
		j.Kind, j.About = "rebalance", fmt.Sprintf("layout version %d", s.LayoutVersion)
	}
	if s.State != record.Sweep_RUNNING {
		return j
	}
	moving := c.GetMovingBlocks()
	j.BlocksDone -= min(moving, j.BlocksDone)
	j.BlocksLeft, j.BytesLeft = j.BlocksTotal-min(s.BlocksSeen, j.BlocksTotal)+moving, c.GetMovingStoredBytes()
	if s.Walked {
		j.BlocksDone, j.BlocksLeft = j.BlocksTotal-min(moving, j.BlocksTotal), moving
	}
	return j
}

// drainJob is what the state says of a drain. Complete means that no copy is
// counted on the node and that it has acknowledged every delete.
func drainJob(id uint32, n *record.Node) *pb.JobInfo {
	return &pb.JobInfo{
		Id: DrainID(id), Kind: "drain", About: fmt.Sprintf("node %d", id), StartedUnixMs: n.StateSinceUnixMs,
		State:      map[bool]string{true: "running", false: "done"}[n.State == pb.NodeState_NODE_STATE_DRAINING],
		BlocksLeft: cmp.Or(n.Copies, n.OwedDeletes), BytesLeft: n.CopiesStoredBytes,
	}
}
