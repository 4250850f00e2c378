package metaserver

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/seed-7d21a5b5/ashlar/metaserver/api/admin"
	"github.com/seed-7d21a5b5/ashlar/metaserver/replica"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

const (
	// announceSoon is the pause while the log does not know this server's addresses.
	announceSoon = 50 * time.Millisecond
	// announceLate is the pause once it does.
	announceLate = 2 * time.Second
	// announceTimeout bounds one try.
	announceTimeout = 5 * time.Second
	// lonelyRounds is how many pauses without a leader pass between two questions
	// to the others.
	lonelyRounds = 20
)

// self is this server as others reach it.
func (s *Server) self() admin.Member {
	return admin.Member{
		ID:            s.identity.Server.String(),
		ClientAddress: s.ports.client.advertise,
		RaftAddress:   s.ports.raft.advertise,
		AdminAddress:  s.ports.admin.advertise,
		FeatureLevel:  FeatureLevel,
	}
}

// members reads the member rows of this replica's state.
func (s *Server) members(ctx context.Context) ([]*record.MetaMember, error) {
	v, err := s.replica.View(ctx, pb.Level_LEVEL_STALE, protocol.Version{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = v.Close() }()
	return state.MetaMembers(v)
}

// known tells whether the log and the group have this server's present addresses.
func (s *Server) known(ctx context.Context) bool {
	me := s.self()
	inGroup := slices.Contains(s.replica.Status().Members, replica.Member{ID: me.ID, RaftAddress: me.RaftAddress, Voter: true})
	rows, err := s.members(ctx)
	return err == nil && inGroup && slices.ContainsFunc(rows, func(m *record.MetaMember) bool {
		return proto.Equal(m, admin.PutMember(me).GetPutMetaMember().GetMember())
	})
}

// announce sees to it, as long as ctx lasts, that the log knows this server's
// addresses, and closes ready once it does and a leader is known. A server that
// hears of no leader for a while asks the others: it may have been removed while
// nobody could tell it.
func (s *Server) announce(ctx context.Context) {
	for lonely := 0; ; {
		pause := announceSoon
		switch {
		case !s.known(ctx):
			s.announceOnce(ctx)
		case s.replica.Status().LeaderID == "":
			if lonely++; lonely%lonelyRounds == 0 {
				s.announceOnce(ctx)
			}
		default:
			s.readyOnce.Do(func() { close(s.ready) })
			pause, lonely = announceLate, 0
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// announceOnce tries once; having been removed ends this server.
func (s *Server) announceOnce(ctx context.Context) {
	err := s.putSelf(ctx)
	switch {
	case err == nil || ctx.Err() != nil:
	case protocol.KindOf(err) == protocol.Removed:
		s.removed()
	default:
		s.cfg.Logger.Debug("addresses are not in the log yet", "error", err)
	}
}

// removed ends this server, which is no member any more.
func (s *Server) removed() {
	s.fail(protocol.Errorf(protocol.Removed, "metaserver %s was removed from its group; start on an empty folder to join anew", s.ID()))
}

// putSelf has the leader write this server's addresses to the log.
func (s *Server) putSelf(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	if s.replica.Status().LeaderID != s.identity.Server.String() {
		return s.askLeader(ctx, func(addr string) error { return s.admin.Announce(ctx, addr, s.self()) })
	}
	return s.decree(ctx, admin.PutMember(s.self()))
}

// decree proposes a command of this server's own; a result with a kind is an error.
func (s *Server) decree(ctx context.Context, cmd *record.Command) error {
	cmd.NowUnixMs = s.cfg.now().UnixMilli()
	cmd.Request = "metaserver"
	res, err := s.replica.Propose(ctx, cmd)
	if err == nil && res.GetKind() != 0 {
		err = &protocol.Error{Kind: protocol.Kind(res.GetKind()), Detail: res.GetDetail()}
	}
	return err
}
