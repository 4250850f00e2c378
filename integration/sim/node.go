package sim

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"syscall"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/blockserver/durable/crashfs"
	"github.com/seed-7d21a5b5/ashlar/blockserver/orders"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// node is one blockserver: a machine with a disk, and the store while it runs.
type node struct {
	w       *world
	slot    int
	address string
	zone    string
	fs      *crashfs.FS
	store   *store.Store
	worker  *orders.Worker
	// gone: it will not come back. sick: its disk failed in this start.
	gone bool
	// id, incarnation and ready are of this start; the former ones of the last.
	id          protocol.NodeID
	incarnation uint64
	ready       bool
	// admitted is the generation that the start was admitted in.
	admitted uint32
	request  *pb.RegisterRequest
	// term is the highest met, of generation, in this start; met is the highest
	// generation that the node refuses lower orders for, durably.
	generation, met uint32
	term            uint64
	// image is a snapshot of the disk that may be restored.
	image *crashfs.FS
	// files is what the disk holds, as anybody can see, by block.
	files []file
	// rotten: bytes changed under a process that had verified them.
	// admits: the node has reported such a file lost since.
	rotten, admits []bool
	// starts counts, restored is the count at the last rollback that no applied
	// Register has told of; 0: none.
	starts, restored int
}

// file is what a disk holds for a hash; the zero version is nothing.
type file struct {
	version protocol.Version
	good    bool
}

func (w *world) addNode() {
	slot := len(w.nodes)
	n := &node{w: w, slot: slot, zone: "z", address: fmt.Sprintf("n%d:1", slot+1), fs: crashfs.New(crashfs.Config{Seed: w.rng.Uint64()}), files: make([]file, len(w.blocks)), rotten: make([]bool, len(w.blocks)), admits: make([]bool, len(w.blocks))}
	w.nodes = append(w.nodes, n)
	w.facts.addNode()
	n.start()
	w.after(int64(10+w.n(10)), n.tick)
}

// nodeAt finds who serves at an address.
func (w *world) nodeAt(address string) *node {
	for _, n := range w.nodes {
		if n.address == address {
			return n
		}
	}
	return nil
}

func (n *node) up() bool { return n.store != nil }

// start opens the store. Nothing is acknowledged before the node has registered.
func (n *node) start() {
	w := n.w
	s, err := store.Open(store.Config{
		Dirs:   []store.Dir{{Path: n.address, FS: w.opt.Mutant.disk(n.fs)}},
		Random: w,
	})
	if err != nil {
		w.violated("claims", "node %d cannot open its disk: %v", n.slot+1, err)
		return
	}
	n.store = s
	n.worker = orders.New(orders.Config{Store: s, Logger: slog.New(slog.DiscardHandler), Charge: func(int) (func(), error) { return func() {}, nil }})
	n.term, n.generation = 0, 0
	n.met = max(n.met, s.HighestSeen().Generation)
	n.look()
	n.begin()
	if w.opt.Mutant.Seam == SeamAckBeforeRegister && n.id != 0 {
		n.adopt(&pb.RegisterAnswer{Node: uint32(n.id), Incarnation: n.incarnation, Cluster: w.log.cluster, DiskNumbers: []uint32{0}, Version: &pb.Version{Generation: n.admitted}})
	}
	w.say("node %d starts, acks %d, met %s", n.slot+1, n.request.Disks[0].Acks, s.HighestSeen())
}

// begin draws a new start: at every start of the process, and when the node is
// told that the log knows another incarnation. It acknowledges nothing until the
// log has this one.
func (n *node) begin() {
	if n.w.shape.moves && n.w.chance(0.1) {
		n.zone = zones[n.w.n(len(zones))]
	}
	identity := n.store.Identity()
	n.starts++
	n.ready = false
	n.store.Dismiss()
	n.request = &pb.RegisterRequest{
		Identity: identity[:], Address: n.address, Zone: n.zone, HighestSeen: wire(n.store.HighestSeen()), Start: n.w.id(), Disks: n.disks(),
	}
	n.w.facts.started(n, n.request.Start)
}

func (n *node) disks() (out []*pb.DiskInfo) {
	for _, d := range n.store.Disks() {
		out = append(out, &pb.DiskInfo{Disk: d.ID[:], Acks: d.Acks, CapacityBytes: d.Capacity, UsedBytes: d.Used})
	}
	return out
}

// tick keeps the node going: it comes back after a crash and registers.
func (n *node) tick() {
	w := n.w
	if n.gone {
		return
	}
	w.after(w.shape.pace*int64(20+w.n(60)), n.tick)
	switch {
	case !n.up():
		if w.calm || w.chance(0.4) {
			n.start()
		}
	case n.store.Disks()[0].Failure != nil:
		n.crash("its disk failed")
	case !n.ready || w.opt.Mutant.Seam == SeamAckBeforeRegister && w.chance(0.2):
		n.register()
	}
}

func (n *node) register() {
	w := n.w
	q := n.request
	if w.opt.Mutant.Seam == SeamAckBeforeRegister {
		q = &pb.RegisterRequest{Identity: q.Identity, Address: q.Address, Zone: q.Zone, HighestSeen: q.HighestSeen, Start: q.Start, Disks: n.disks()}
	}
	s := w.servers[w.n(len(w.servers))]
	w.send(func() {
		if !s.leading {
			return
		}
		s.propose(&record.Command{Body: &record.Command_Register{Register: q}}, func(r *record.Result) {
			w.send(func() { n.registered(q, r) })
		})
	})
}

func (n *node) registered(q *pb.RegisterRequest, r *record.Result) {
	if !n.up() || string(q.Start) != string(n.request.Start) {
		return
	}
	if r != nil && protocol.Kind(r.Kind) == protocol.Removed && !n.gone {
		n.w.say("node %d is told that it was removed", n.slot+1)
		n.vanish()
		return
	}
	if r != nil && protocol.Kind(r.Kind) == protocol.StaleRequest && !n.ready {
		n.begin()
		return
	}
	if a := r.GetRegister(); a != nil && r.Kind == 0 && !(n.ready && n.incarnation == a.Incarnation) {
		n.adopt(a)
	}
}

func (n *node) adopt(a *pb.RegisterAnswer) {
	w := n.w
	err := n.store.Adopt(protocol.ID(a.Cluster), protocol.NodeID(a.Node), protocol.Incarnation(a.Incarnation), a.DiskNumbers)
	if err != nil {
		if n.store.Disks()[0].Failure == nil {
			w.violated("claims", "node %d cannot adopt %v: %v", n.slot+1, a, err)
		}
		return
	}
	n.id, n.incarnation, n.ready = protocol.NodeID(a.Node), a.Incarnation, true
	n.admitted = a.Version.GetGeneration()
	w.haunt(n)
	w.say("node %d is ready as node %d, incarnation %d", n.slot+1, a.Node, a.Incarnation)
}

// shut ends the process without a word to the disk.
func (n *node) shut() {
	if n.store != nil {
		_ = n.store.Close()
	}
	n.store, n.worker, n.ready = nil, nil, false
}

// crash cuts the power.
func (n *node) crash(why string) {
	n.w.say("node %d crashes: %s", n.slot+1, why)
	dead := n.fs
	n.fs = dead.Crash(n.w.rng.Uint64() | 2)
	n.fs.SetHook(nil)
	n.shut()
	n.look()
}

// kill ends the process; the machine keeps what was written. A disk whose sync
// has failed is unmounted before it is used again.
func (n *node) kill() {
	if n.up() && n.store.Disks()[0].Failure != nil {
		n.crash("its disk failed")
		return
	}
	n.w.say("node %d is killed", n.slot+1)
	n.fs = n.fs.Restart()
	n.shut()
	n.look()
}

// vanish takes the machine away for good.
func (n *node) vanish() {
	n.w.say("node %d vanishes", n.slot+1)
	n.fs = n.fs.Crash(0)
	n.shut()
	n.gone = true
	n.w.facts.vanished(n)
	n.look()
}

func (n *node) takeImage() {
	n.image = n.fs.Settled()
	n.w.say("node %d: disk image taken", n.slot+1)
}

// rollBack puts an old image of the disk in place.
func (n *node) rollBack() {
	n.w.say("node %d: disk image restored", n.slot+1)
	old := n.fs
	n.fs = n.image.Settled()
	old.Crash(0)
	n.shut()
	n.restored, n.met = n.starts+1, 0
	n.look()
	n.w.facts.rolledBack(n)
}

// rot changes a byte of a file, mostly while no process looks: one that verified
// the file in this start does not read it again before it acknowledges.
func (n *node) rot() {
	w := n.w
	i := w.n(len(w.blocks))
	for next := 1; w.frail && n.files[i].version.IsZero() && next < len(w.blocks); next++ {
		i = (i + 1) % len(w.blocks)
	}
	if n.files[i].version.IsZero() {
		return
	}
	if w.chance(0.7) && !w.frail {
		n.kill()
	}
	name := blockName(w.blocks[i].hash)
	f, err := n.fs.OpenUpdate(name)
	if err != nil {
		return
	}
	size, _ := f.Size()
	at := int64(w.n(int(size)))
	var one [1]byte
	if _, err := f.ReadAt(one[:], at); err != nil && err != io.EOF {
		return
	}
	one[0] ^= 1 << w.n(8)
	_, _ = f.WriteAt(one[:], at)
	_ = f.Sync()
	w.say("node %d: byte %d of %s rots", n.slot+1, at, w.name(i))
	w.facts.rotted(n, i)
	n.look()
}

// risky lets an operation meet a power cut or a failing sync on its way; the
// func that it returns deals with what happened. While a bad copy is set aside
// the store's two goroutines may use the disk together, so nothing happens then.
func (n *node) risky() func() {
	w := n.w
	cut, broken := w.hits(FaultCrashMidway), w.hits(FaultSync)
	if (!cut && !broken) || n.store.Disks()[0].Quarantined > 0 {
		return func() {}
	}
	left, after := w.n(12), w.chance(0.5)
	n.fs.SetHook(func(op crashfs.Op) *crashfs.Fault {
		if !op.Verb.Changes() || broken && !op.Verb.Syncs() {
			return nil
		}
		if left--; left >= 0 {
			return nil
		}
		if broken {
			left = 1 << 30
			return &crashfs.Fault{Err: syscall.EIO}
		}
		return &crashfs.Fault{Err: crashfs.ErrCrashed, After: after}
	})
	fs := n.fs
	return func() {
		fs.SetHook(nil)
		if _, err := fs.Stat("."); err != nil && n.fs == fs {
			n.crash("midway")
		}
	}
}

func blockName(h protocol.Hash) string {
	digits := h.String()
	return "data/" + digits[:2] + "/" + digits[2:4] + "/" + digits
}

// look reads all files of the disk, lookAt one.
func (n *node) look() {
	for i := range n.files {
		n.lookAt(i)
	}
}

func (n *node) lookAt(i int) {
	n.files[i] = file{}
	if n.gone {
		return
	}
	content, err := durable.Read(n.fs, blockName(n.w.blocks[i].hash), 1<<20)
	if err == nil {
		n.files[i] = n.w.judgeFile(i, content)
	}
	if n.rotten[i] && (n.files[i].good || n.files[i].version.IsZero() || !n.up()) {
		n.w.facts.found(n, i)
	}
}

// background is the context of every operation: nobody gives up.
func background() context.Context { return context.Background() }
