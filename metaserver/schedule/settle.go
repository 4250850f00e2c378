package schedule

import (
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Settle turns a node's answers to the orders sent to it into bounded commands.
// An answer that matches no order, or that the state of r shows to be without
// effect, gives none: the rules of the state would ignore it. Orders that were
// handed back, and failures of the node as a whole, give none either: they are
// planned again.
func Settle(r state.Reader, obs Observation, node protocol.NodeID, sent []*pb.Order, answers []*pb.OrderAnswer) ([]*record.Command, error) {
	pic, err := look(r)
	if err != nil {
		return nil, err
	}
	obs.Limits = obs.Limits.withDefaults()
	s := &settler{picture: pic, obs: obs, node: uint32(node)}
	orders := append([]*pb.Order(nil), sent...)
	for _, a := range answers {
		o := take(orders, a.GetId())
		if o == nil {
			continue
		}
		if err := s.settle(o, a); err != nil {
			return nil, err
		}
	}
	s.flush()
	return s.commands, nil
}

// take finds the order of an answer, once.
func take(orders []*pb.Order, id uint64) *pb.Order {
	for i, o := range orders {
		if o != nil && o.Id == id {
			orders[i] = nil
			return o
		}
	}
	return nil
}

// settler is one call of Settle under way, with the commands being filled.
type settler struct {
	picture
	obs      Observation
	node     uint32
	commands []*record.Command

	deleted  []*record.DeletedItem
	lost     []*record.NodeBlock
	postpone []*record.PostponeItem
	copied   pb.ClaimsRequest
}

func (s *settler) settle(o *pb.Order, a *pb.OrderAnswer) error {
	h, err := protocol.HashFromBytes(o.Hash)
	if err != nil {
		return err
	}
	b, _, err := state.BlockRow(s.r, h)
	if err != nil {
		return err
	}
	switch {
	case a.Outcome == pb.Outcome_OUTCOME_FAILED:
		return s.failed(h, b, o, a)
	case o.Kind == pb.OrderKind_ORDER_KIND_DELETE:
		s.deletes(b, o, a)
	case a.Outcome == pb.Outcome_OUTCOME_HELD:
		s.held(h, b, a.Ack)
	case o.Kind == pb.OrderKind_ORDER_KIND_VERIFY && a.Outcome == pb.Outcome_OUTCOME_LOST:
		s.loses(b, o)
	}
	if s.full() {
		s.flush()
	}
	return nil
}

// deletes takes down that a node has nothing below t any more, if the record
// waits for it. "Kept" is a claim besides.
func (s *settler) deletes(b *record.Block, o *pb.Order, a *pb.OrderAnswer) {
	t, due := deleteBelow(b, s.node)
	due = due && t == versionOf(o.Version)
	item := &record.DeletedItem{Order: &record.NodeBlock{Hash: o.Hash, Node: s.node, Version: o.Version}}
	switch a.Outcome {
	case pb.Outcome_OUTCOME_KEPT:
		if !own(o, s.node, a.Ack) || versionOf(a.Ack.Version).Less(versionOf(o.Version)) {
			return
		}
		item.Kept = a.Ack
		due = due || s.counts(b, a.Ack)
	case pb.Outcome_OUTCOME_NONE_BELOW:
	default:
		return
	}
	if due {
		s.deleted = append(s.deleted, item)
	}
}

// held counts a claim of a copy or touch.
func (s *settler) held(h protocol.Hash, b *record.Block, a *pb.Ack) {
	if !own(&pb.Order{Hash: h[:]}, s.node, a) || !s.counts(b, a) {
		return
	}
	c := &s.copied
	if c.Blocks == nil {
		c.Blocks = &pb.Blocks{}
	}
	c.Claims = append(c.Claims, &pb.Claim{
		Block: uint32(len(c.Blocks.PlainSizes)), Node: a.Node, Incarnation: a.Incarnation, Disk: a.Disk, Ack: a.Ack,
		Generation: a.Version.GetGeneration(), Counter: a.Version.GetCounter(),
	})
	c.Blocks.Hashes = append(c.Blocks.Hashes, h[:]...)
	c.Blocks.PlainSizes = append(c.Blocks.PlainSizes, a.PlainSize)
	c.Blocks.StoredSizes = append(c.Blocks.StoredSizes, a.StoredSize)
}

// own: the acknowledgement is of this node and of the order's block, and has
// sizes that a block may have.
func own(o *pb.Order, node uint32, a *pb.Ack) bool {
	return a != nil && a.Node == node && string(a.Hash) == string(o.Hash) &&
		a.PlainSize > 0 && a.PlainSize <= protocol.MaxBlockSize && a.StoredSize > 0 && a.StoredSize <= protocol.MaxStoredSize
}

// counts: the claim would raise what the record counts.
func (s *settler) counts(b *record.Block, a *pb.Ack) bool {
	if b.GetPhase() != record.Block_LIVE && b.GetPhase() != record.Block_UNREFERENCED {
		return false
	}
	v := versionOf(a.Version)
	if v.Less(s.floor(b)) {
		return false
	}
	h := copyOn(b, s.node)
	return h == nil || heldVersion(h).Less(v)
}

// loses takes down that the copy counted at the order's version is gone.
func (s *settler) loses(b *record.Block, o *pb.Order) {
	if h := copyOn(b, s.node); h != nil && heldVersion(h) == versionOf(o.Version) {
		s.lost = append(s.lost, &record.NodeBlock{Hash: o.Hash, Node: s.node, Version: o.Version})
	}
}

// failed postpones the rows that the order may have come from.
func (s *settler) failed(h protocol.Hash, b *record.Block, o *pb.Order, a *pb.OrderAnswer) error {
	if OfNode(o.Kind, protocol.Kind(a.Kind)) {
		return nil
	}
	switch o.Kind {
	case pb.OrderKind_ORDER_KIND_DELETE:
		return s.later(h, state.ClassDelete, s.node, a)
	case pb.OrderKind_ORDER_KIND_COPY:
		err := s.later(h, state.ClassRedundancy, uint32(len(b.GetCopies())), a)
		if err == nil && b.GetMoving() > 0 {
			err = s.later(h, state.ClassMove, b.Moving-1, a)
		}
		return err
	}
	return nil
}

// later postpones one row, if it is there.
func (s *settler) later(h protocol.Hash, class, lane uint32, a *pb.OrderAnswer) error {
	w, ok, err := state.WorkOf(s.r, h, class, lane)
	if err != nil || !ok {
		return err
	}
	s.postpone = append(s.postpone, &record.PostponeItem{
		Class: class, Lane: lane, Hash: h[:], IfAttempts: w.Attempts,
		DueUnixMs: s.obs.NowUnixMs + Backoff(w.Attempts, s.obs.Chance^seedOf(h)),
		Cause:     a.Kind, Detail: clip(a.Detail),
	})
	return nil
}

// OfNode tells whether the failure of an order says something of its node or of
// the moment rather than of the block: it is no reason to postpone the block. A
// copy that fails for want of an answer speaks of its sources.
func OfNode(o pb.OrderKind, k protocol.Kind) bool {
	switch k {
	case protocol.Busy, protocol.NotRegistered, protocol.OrderRefused, protocol.WrongCluster, protocol.Removed:
		return true
	case protocol.Unavailable, protocol.Canceled, protocol.UnknownOutcome:
		return o != pb.OrderKind_ORDER_KIND_COPY
	}
	return false
}

// Backoff of a row that failed: base doubled for each attempt made, at most
// MaxBackoffMs, from three quarters of that to all of it by chance.
func Backoff(attempts uint32, chance uint64) int64 {
	wait := longestBackoff(attempts)
	return wait - int64(mix(chance)%uint64(wait/4+1))
}

// longestBackoff is Backoff with the chance that makes it longest.
func longestBackoff(attempts uint32) int64 {
	if attempts < 12 {
		return min(MaxBackoffMs, int64(BaseBackoffMs)<<attempts)
	}
	return MaxBackoffMs
}

// Bounds of Backoff, in milliseconds.
const (
	BaseBackoffMs = 2_000
	MaxBackoffMs  = 3_600_000
)

// maxDetail bounds the text kept with a failure, in bytes.
const maxDetail = 200

func clip(text string) string {
	text = strings.ToValidUTF8(text, "?")
	if len(text) <= maxDetail {
		return text
	}
	cut := maxDetail
	for cut > 0 && text[cut]&0xc0 == 0x80 {
		cut--
	}
	return text[:cut]
}

func (s *settler) full() bool {
	most := s.obs.Limits.Batch
	return len(s.deleted) >= most || len(s.lost) >= most || len(s.postpone) >= most || len(s.copied.Claims) >= min(most, protocol.MaxBlocksPerPage)
}

// flush turns what was gathered into commands.
func (s *settler) flush() {
	if len(s.copied.Claims) > 0 {
		s.commands = append(s.commands, &record.Command{Body: &record.Command_Copied{Copied: &pb.ClaimsRequest{Blocks: s.copied.Blocks, Claims: s.copied.Claims}}})
	}
	if len(s.deleted) > 0 {
		s.commands = append(s.commands, &record.Command{Body: &record.Command_Deleted{Deleted: &record.Deleted{Items: s.deleted}}})
	}
	if len(s.lost) > 0 {
		s.commands = append(s.commands, &record.Command{Body: &record.Command_Lost{Lost: &record.Lost{Items: s.lost}}})
	}
	if len(s.postpone) > 0 {
		s.commands = append(s.commands, &record.Command{Body: &record.Command_Postpone{Postpone: &record.Postpone{Items: s.postpone}}})
	}
	s.copied.Blocks, s.copied.Claims = nil, nil
	s.deleted, s.lost, s.postpone = nil, nil, nil
}
