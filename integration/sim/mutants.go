package sim

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/blockfile"
	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Mutant is one thing left out or done wrong: a rule of the state machine, or
// something at a seam of the simulation.
type Mutant struct {
	Rule state.Rule
	Seam Seam
}

// Seam is what is done wrong outside of the state machine.
type Seam int

// The seams.
const (
	SeamNone Seam = iota
	// SeamDeleteEqual deletes a file at the order's version too.
	SeamDeleteEqual
	// SeamNoSync acknowledges what is not durable.
	SeamNoSync
	// SeamNoVerify acknowledges a file that is present without reading it.
	SeamNoVerify
	// SeamLostNotAbsent reports a bad file as lost and leaves it where it is.
	SeamLostNotAbsent
	// SeamVersionFalls stores at the version asked for, even below the file's.
	SeamVersionFalls
	// SeamAckBeforeRegister acknowledges before Register is applied.
	SeamAckBeforeRegister
	// SeamAnyGeneration carries out orders of every generation.
	SeamAnyGeneration
	// SeamDeleteEarly sends delete orders with Condemn, not after it.
	SeamDeleteEarly
	// SeamStrayAtOnce deletes a stray without waiting for W to pass it.
	SeamStrayAtOnce
	seamEnd
)

var seamNames = [seamEnd]string{
	"none", "delete <=, not <", "acknowledge before the sync", "touch without verifying", "lost before absent", "versions fall", "acknowledge before Register",
	"orders of any generation", "delete before Condemn is applied", "strays without waiting for W",
}

// String names what is wrong.
func (m Mutant) String() string {
	switch {
	case m.Rule != 0:
		return "without " + m.Rule.String()
	case m.Seam > 0 && m.Seam < seamEnd:
		return seamNames[m.Seam]
	}
	return fmt.Sprintf("seam %d", int(m.Seam))
}

// Mutants lists all of them.
func Mutants() (out []Mutant) {
	for _, r := range state.Rules() {
		out = append(out, Mutant{Rule: r})
	}
	for s := SeamNone + 1; s < seamEnd; s++ {
		out = append(out, Mutant{Seam: s})
	}
	return out
}

func (m Mutant) rules() []state.Rule {
	if m.Rule == 0 {
		return nil
	}
	return []state.Rule{m.Rule}
}

// order changes an order on its way into the store.
func (m Mutant) order(o *pb.Order) *pb.Order {
	if m.Seam == SeamDeleteEqual && o.Kind == pb.OrderKind_ORDER_KIND_DELETE {
		o.Version = wire(unwire(o.Version).Next())
	}
	return o
}

// instead carries out an order in the mutant's way; nil: in the right way.
func (m Mutant) instead(n *node, i int, o *pb.Order) *pb.OrderAnswer {
	switch {
	case m.Seam == SeamNoVerify && o.Kind == pb.OrderKind_ORDER_KIND_COPY:
		if c, ok := n.blindTouch(i, unwire(o.Version)); ok {
			return &pb.OrderAnswer{Outcome: pb.Outcome_OUTCOME_HELD, Ack: ackOf(c)}
		}
	case m.Seam == SeamLostNotAbsent && o.Kind == pb.OrderKind_ORDER_KIND_VERIFY:
		if at := n.files[i]; !at.version.IsZero() && !at.good {
			return &pb.OrderAnswer{Outcome: pb.Outcome_OUTCOME_LOST}
		}
	}
	return nil
}

func (m Mutant) put(n *node, i int, r store.PutRequest) (protocol.Claim, error) {
	if m.Seam == SeamVersionFalls && r.Version.Less(n.files[i].version) {
		if _, err := n.store.Delete(background(), r.Hash, highest); err != nil {
			return protocol.Claim{}, err
		}
	}
	return n.store.Put(background(), r)
}

func (m Mutant) touch(n *node, i int, u protocol.Version) (protocol.Claim, error) {
	if m.Seam == SeamNoVerify {
		if c, ok := n.blindTouch(i, u); ok {
			return c, nil
		}
	}
	return n.store.Touch(background(), n.w.blocks[i].hash, u)
}

// blindTouch raises a file's version and claims it, whatever its bytes are.
func (n *node) blindTouch(i int, u protocol.Version) (protocol.Claim, bool) {
	h := n.w.blocks[i].hash
	f, err := n.fs.OpenUpdate(blockName(h))
	if err != nil {
		return protocol.Claim{}, false
	}
	var b [blockfile.HeaderSize]byte
	if _, err := f.ReadAt(b[:], 0); err != nil && err != io.EOF {
		return protocol.Claim{}, false
	}
	head, err := blockfile.Parse(b[:])
	if err != nil {
		return protocol.Claim{}, false
	}
	if head.Version().Less(u) {
		off, slot := head.Raise(u)
		if _, err := f.WriteAt(slot[:], off); err != nil || f.Sync() != nil {
			return protocol.Claim{}, false
		}
	}
	return protocol.Claim{
		Hash: h, Version: head.Version().Max(u), Node: n.id, Incarnation: protocol.Incarnation(n.incarnation), Ack: n.store.Disks()[0].Acks,
		PlainSize: head.PlainSize, StoredSize: head.StoredSize,
	}, true
}

// disk is what the store writes to.
func (m Mutant) disk(f durable.FS) durable.FS {
	if m.Seam == SeamNoSync {
		return lazy{f}
	}
	return f
}

// lazy is a file system that says that it has synced.
type lazy struct{ durable.FS }

type lazyFile struct{ durable.File }

func (lazyFile) Sync() error { return nil }

func (lazyFile) Datasync() error { return nil }

func (l lazy) Create(name string) (durable.File, error) { return l.file(l.FS.Create(name))(name) }

func (l lazy) OpenUpdate(name string) (durable.File, error) {
	return l.file(l.FS.OpenUpdate(name))(name)
}

// file leaves the store's own files durable, so that it can be opened again.
func (l lazy) file(f durable.File, err error) func(name string) (durable.File, error) {
	return func(name string) (durable.File, error) {
		digits := strings.TrimLeft(path.Base(name), "0123456789abcdef")
		if err != nil || digits != "" || path.Base(name) == "acks" {
			return f, err
		}
		return lazyFile{f}, nil
	}
}

func (l lazy) SyncDir(name string) error {
	if len(name) > len("data/") {
		return nil
	}
	return l.FS.SyncDir(name)
}

// early sends delete orders for what is only proposed to be condemned.
func (s *server) early(commands []*record.Command) {
	if s.w.opt.Mutant.Seam != SeamDeleteEarly {
		return
	}
	t := s.m.Version().Next()
	for _, c := range commands {
		for packed := c.GetCondemn().GetHashes(); len(packed) > 0; packed = packed[protocol.HashSize:] {
			row, _, err := state.BlockRow(s.table, protocol.Hash(packed[:protocol.HashSize]))
			if err != nil {
				continue
			}
			for _, held := range row.GetCopies() {
				o := &pb.Order{Kind: pb.OrderKind_ORDER_KIND_DELETE, Hash: packed[:protocol.HashSize], Version: wire(t)}
				s.link(protocol.NodeID(held.Node)).hand([]*pb.Order{o})
			}
		}
	}
}

// walk adds what the mutant makes of a page.
func (m Mutant) walk(s *server, page *pb.InventoryPage, walk schedule.Walk) schedule.Walk {
	if m.Seam != SeamStrayAtOnce {
		return walk
	}
	for _, item := range page.Items {
		_, found, err := state.BlockRow(s.table, protocol.Hash(item.Hash))
		known := func(o *pb.Order) bool { return bytes.Equal(o.Hash, item.Hash) }
		if err == nil && !found && !containsOrder(walk.Orders, known) {
			walk.Orders = append(walk.Orders, &pb.Order{Kind: pb.OrderKind_ORDER_KIND_DELETE, Hash: item.Hash, Version: wire(unwire(item.Version).Next())})
		}
	}
	return walk
}

func containsOrder(orders []*pb.Order, is func(*pb.Order) bool) bool {
	for _, o := range orders {
		if is(o) {
			return true
		}
	}
	return false
}

// Shrink looks for a run that fails with the same checker and less: without
// faults that do not matter, and in fewer steps. It returns what it found and how
// that run went.
func Shrink(o Options, f *Failure) (Options, *Result) {
	best, how := o, Run(o)
	for fault := range faultEnd {
		less := best
		less.Off = append(append([]Fault(nil), best.Off...), fault)
		if r := Run(less); r.Failure != nil && r.Failure.Checker == f.Checker && r.Steps <= how.Steps {
			best, how = less, r
		}
	}
	best.Trace = true
	return best, Run(best)
}
