package blockserver

import (
	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// status is GET /v1/status.
func (s *Server) status(ctx *fasthttp.RequestCtx) error {
	if err := verb(ctx, "GET", fasthttp.MethodGet); err != nil {
		return err
	}
	return rpc.Reply(ctx, fasthttp.StatusOK, s.Status())
}

// Status tells what the node is and how its disks stand. FreeSlots is the number
// of blocks of the default size that memory has room for at this moment.
func (s *Server) Status() *pb.BlockserverStatus {
	cluster := s.store.Cluster()
	answer := &pb.BlockserverStatus{
		Zone: s.cfg.Zone, HighestSeen: versionOf(s.highestSeen()),
		FreeSlots: uint32(max(0, s.memory.limit-s.memory.used.Load()) / protocol.DefaultBlockSize),
	}
	if !cluster.IsZero() {
		answer.Cluster = cluster[:]
	}
	if m := s.member.Load(); m != nil {
		answer.Registered, answer.Node, answer.Incarnation = true, uint32(m.node), uint64(m.incarnation)
	}
	for _, d := range s.store.Disks() {
		status := &pb.DiskStatus{
			Number: d.Number, Disk: d.ID[:], Path: d.Path, CapacityBytes: d.Capacity, UsedBytes: d.Used,
			FreeBytes: d.Free, Blocks: d.Blocks, Quarantined: d.Quarantined, Acks: d.Acks, Full: d.Full,
		}
		if d.Failure != nil {
			status.Failure = d.Failure.Error()
		}
		answer.Disks = append(answer.Disks, status)
	}
	return answer
}

// healthz is GET /healthz: the process answers.
func (s *Server) healthz(ctx *fasthttp.RequestCtx) error {
	return ok(ctx)
}

// readyz is GET /readyz: the node is registered, stays, and has a disk that
// works, so that a store may succeed.
func (s *Server) readyz(ctx *fasthttp.RequestCtx) error {
	if _, err := s.admitted(); err != nil {
		return err
	}
	for _, d := range s.store.Disks() {
		if d.Failure == nil {
			return ok(ctx)
		}
	}
	return protocol.Errorf(protocol.Unavailable, "no disk works; see %s", protocol.PathStatus)
}

func ok(ctx *fasthttp.RequestCtx) error {
	if err := verb(ctx, "GET, HEAD", fasthttp.MethodGet, fasthttp.MethodHead); err != nil {
		return err
	}
	ctx.SetContentType("text/plain; charset=utf-8")
	ctx.SetBodyString("ok\n")
	return nil
}
