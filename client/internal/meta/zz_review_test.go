package meta

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

func TestZZWrongClusterWedges(t *testing.T) {
	s, g := newScript(t)
	s.always = func(addr string, _ rpc.Message) error {
		switch addr {
		case "a":
			return protocol.Errorf(protocol.Unavailable, "down")
		case "b":
			return protocol.Errorf(protocol.WrongCluster, "other")
		}
		return nil
	}
	for range 3 {
		err := g.Read(t.Context(), protocol.PathLookup, &pb.LookupRequest{}, &pb.LookupAnswer{})
		t.Log(err)
	}
}
