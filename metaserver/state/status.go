package state

import (
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Status answers with what the state knows of the cluster: who leads, votes or
// answers pings is not state.
func Status(r Reader) (*pb.ClusterStatus, error) {
	c, err := ClusterRow(r)
	if err != nil {
		return nil, err
	}
	nodes, err := readNodes(r)
	if err != nil {
		return nil, err
	}
	members, err := MetaMembers(r)
	if err != nil {
		return nil, err
	}
	status := &pb.ClusterStatus{
		Cluster: c.Cluster, Version: toPB(versionOf(c)), AppliedIndex: c.AppliedIndex, Term: c.AppliedTerm,
		Watermark: toPB(fromPB(c.Watermark)), FirstOfGeneration: toPB(fromPB(c.First)),
		Redundancy: c.Settings.GetRedundancy(), Quorum: c.Settings.GetQuorum(), FeatureLevel: c.Settings.GetFeatureLevel(),
		Counters: c.Counters, Nodes: memberInfos(nodes), Digest: c.Digest, PausedClasses: c.Settings.GetPausedClasses(),
	}
	if c.Met != nil {
		status.NotServing = protocol.AsError(rolledBackError(c)).Detail
	}
	for _, m := range members {
		status.Members = append(status.Members, &pb.MetaMember{Id: m.Id, ClientAddress: m.ClientAddress, RaftAddress: m.RaftAddress, AdminAddress: m.AdminAddress})
	}
	return status, nil
}
