package admin

import (
	"context"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// hello tells who answers and who leads.
func (s *server) hello(ctx context.Context, _ struct{}) (Hello, error) {
	leader := s.cfg.Group().Leader
	h := Hello{Cluster: s.cfg.Cluster(), Server: s.cfg.Self, Leader: leader}
	if h.Cluster.IsZero() {
		return Hello{}, protocol.Errorf(protocol.Unavailable, "metaserver %s belongs to no cluster yet", s.cfg.Self)
	}
	h.LeaderAdmin = s.adminAddress(ctx, leader)
	return h, nil
}

// join makes m a voter of the group and writes its addresses to the log.
func (s *server) join(ctx context.Context, m Member) (Done, error) {
	put, err := s.putCommand(m)
	if err != nil {
		return Done{}, err
	}
	group := s.cfg.Group()
	if group.Leader != s.cfg.Self {
		return Done{}, protocol.Errorf(protocol.NotLeader, "the leader adds members")
	}
	if !slices.Contains(group.Members, m.ID) && len(group.Members) >= protocol.MaxMetaservers {
		return Done{}, protocol.Errorf(protocol.LimitExceeded, "a group has at most %d metaservers; remove one first", protocol.MaxMetaservers)
	}
	if err := s.cfg.Replica.AddMember(ctx, m.ID, m.RaftAddress); err != nil {
		return Done{}, err
	}
	return s.propose(ctx, put)
}

// announce writes the addresses of a member to the log. One that is no member is
// told so only by a leader that has just made sure that it still leads, and only
// once that is committed: it will end, and its disk be wiped.
func (s *server) announce(ctx context.Context, m Member) (Done, error) {
	put, err := s.putCommand(m)
	if err != nil {
		return Done{}, err
	}
	v, err := s.cfg.Replica.View(ctx, pb.Level_LEVEL_LINEARIZABLE, protocol.Version{})
	if err != nil {
		return Done{}, err
	}
	if err := v.Close(); err != nil {
		return Done{}, err
	}
	switch {
	case s.cfg.Replica.Removed(m.ID):
		return Done{}, protocol.Errorf(protocol.Removed, "%s is no member of this group", protocol.Quote(m.ID))
	case !slices.Contains(s.cfg.Group().Members, m.ID):
		return Done{}, protocol.Errorf(protocol.Unavailable, "%s is being removed, and that is not committed yet; ask again", protocol.Quote(m.ID))
	}
	return s.propose(ctx, put)
}

// putCommand returns the command that writes m, checked.
func (s *server) putCommand(m Member) (*record.Command, error) {
	cmd := PutMember(m)
	if s.cfg.Cluster().IsZero() {
		return nil, protocol.Errorf(protocol.Unavailable, "metaserver %s belongs to no cluster yet", s.cfg.Self)
	}
	return cmd, state.Validate(cmd)
}

// PutMember returns the command that writes a member's addresses to the log.
func PutMember(m Member) *record.Command {
	return &record.Command{Body: &record.Command_PutMetaMember{PutMetaMember: &record.PutMetaMember{Member: &record.MetaMember{
		Id: m.ID, ClientAddress: m.ClientAddress, RaftAddress: m.RaftAddress, AdminAddress: m.AdminAddress, FeatureLevel: m.FeatureLevel,
	}}}}
}

// removeMember takes a metaserver out of the group, then its row out of the log.
// The leader does not remove itself: it hands over first, and the next one does.
func (s *server) removeMember(ctx context.Context, q RemoveMember) (Done, error) {
	switch {
	case q.ID == "":
		return Done{}, protocol.Errorf(protocol.InvalidArgument, "name the member to remove in \"id\"")
	case s.cfg.Group().Leader != s.cfg.Self:
		return Done{}, protocol.Errorf(protocol.NotLeader, "the leader removes members")
	}
	if err := s.cfg.Replica.RemoveMember(ctx, q.ID); err != nil {
		return Done{}, err
	}
	done, err := s.propose(ctx, &record.Command{Body: &record.Command_RemoveMetaMember{RemoveMetaMember: &record.RemoveMetaMember{Id: q.ID}}})
	if protocol.KindOf(err) == protocol.NotFound {
		return Done{By: s.cfg.Self}, nil
	}
	return done, err
}

// transfer hands leadership to another voter.
func (s *server) transfer(ctx context.Context, _ struct{}) (Done, error) {
	if s.cfg.Group().Leader != s.cfg.Self {
		return Done{}, protocol.Errorf(protocol.NotLeader, "only the leader can hand over")
	}
	return Done{By: s.cfg.Self}, s.cfg.Replica.TransferLeadership(ctx)
}

// propose stamps cmd for people and proposes it.
func (s *server) propose(ctx context.Context, cmd *record.Command) (Done, error) {
	cmd.NowUnixMs = s.cfg.Now().UnixMilli()
	cmd.Request = "admin"
	res, err := s.cfg.Replica.Propose(ctx, cmd)
	if err != nil {
		return Done{}, err
	}
	if res.GetKind() != 0 {
		return Done{}, &protocol.Error{Kind: protocol.Kind(res.GetKind()), Detail: res.GetDetail()}
	}
	return Done{By: s.cfg.Self}, nil
}

// explain gives a not-leader error the leader's admin address, where it is known.
func (s *server) explain(ctx context.Context, err error) error {
	if protocol.KindOf(err) != protocol.NotLeader {
		return err
	}
	leader := s.cfg.Group().Leader
	if leader == "" {
		return protocol.Errorf(protocol.Unavailable, "metaserver %s knows no leader; try again, or ask another metaserver", s.cfg.Self)
	}
	e := protocol.Errorf(protocol.NotLeader, "%s: metaserver %s leads", protocol.AsError(err).Detail, leader)
	if leader != s.cfg.Self {
		e.Leader = s.adminAddress(ctx, leader)
	}
	return e
}

// adminAddress finds a member's admin address in this replica's state; empty
// while the log does not know it.
func (s *server) adminAddress(ctx context.Context, id string) string {
	if id == "" {
		return ""
	}
	v, err := s.cfg.Replica.View(ctx, pb.Level_LEVEL_STALE, protocol.Version{})
	if err != nil {
		return ""
	}
	defer func() { _ = v.Close() }()
	members, err := state.MetaMembers(v)
	if err != nil {
		return ""
	}
	for _, m := range members {
		if m.GetId() == id {
			return m.GetAdminAddress()
		}
	}
	return ""
}
