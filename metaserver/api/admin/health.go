package admin

import (
	"context"
	"net/http"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// ready answers 200 when this server serves and knows a leader, else 503 with the
// reason.
func (s *server) ready(w http.ResponseWriter, _ *http.Request) {
	if err := s.cfg.Ready(); err != nil {
		plain(w, http.StatusServiceUnavailable, err.Error()+"\n")
		return
	}
	plain(w, http.StatusOK, "ready\n")
}

// snapshot has this replica take a snapshot now.
func (s *server) snapshot(context.Context, struct{}) (Done, error) {
	return Done{By: s.cfg.Self}, s.cfg.Replica.Snapshot()
}

// recount counts every row of this replica's state anew and checks every
// invariant, over one view.
func (s *server) recount(ctx context.Context, _ struct{}) (Recount, error) {
	v, err := s.cfg.Replica.View(ctx, pb.Level_LEVEL_STALE, protocol.Version{})
	if err != nil {
		return Recount{}, err
	}
	defer func() { _ = v.Close() }()
	row, err := state.ClusterRow(v)
	if err != nil {
		return Recount{}, err
	}
	counted, err := state.Recount(v)
	if err != nil {
		return Recount{}, err
	}
	kept := row.GetCounters()
	if kept == nil {
		kept = &pb.Counters{}
	}
	out := Recount{By: s.cfg.Self, Drift: !proto.Equal(kept, counted), Kept: counters(kept), Recounted: counters(counted)}
	if broken := state.Check(v); broken != nil {
		out.Broken = broken.Error()
	}
	return out, nil
}

func counters(c *pb.Counters) []byte {
	body, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}.Marshal(c)
	if err != nil {
		return []byte("null")
	}
	return body
}
