package sim

import (
	"bytes"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// ledger is the log: what is in it is committed. truth has applied all of it and
// is what the checkers look at; nobody in the world does.
type ledger struct {
	w       *world
	entries []logged
	truth   *replica
	term    uint64
	pending []proposal
	backup  *backup
	cluster []byte
}

type logged struct {
	term   uint64
	data   []byte
	digest []byte
}

// proposal is a command that will be in the log; done hears its result, or nil
// if nobody will ever know.
type proposal struct {
	cmd  *record.Command
	done func(*record.Result)
}

// backup is the metadata as it was after so many entries.
type backup struct {
	index int
	view  state.View
}

// replica is one copy of the state.
type replica struct {
	table *table.Memory
	m     *state.Machine
}

func newLedger(w *world) *ledger {
	return &ledger{w: w, truth: w.open(table.NewMemory())}
}

// open makes a replica over a table, less what a mutant leaves out.
func (w *world) open(t *table.Memory) *replica {
	m, err := state.OpenWithout(t, w.opt.Mutant.rules()...)
	if err != nil {
		w.violated("state", "open: %v", err)
	}
	return &replica{t, m}
}

func (l *ledger) bootstrap(s *record.Settings) {
	l.cluster = l.w.id()
	l.append([]proposal{{cmd: &record.Command{Body: &record.Command_Bootstrap{Bootstrap: &record.Bootstrap{Cluster: l.cluster, Settings: s}}}}})
}

// maxEntry bounds the commands of one entry.
const maxEntry = 6

// propose puts a command into the next entry.
func (l *ledger) propose(cmd *record.Command, done func(*record.Result)) {
	l.pending = append(l.pending, proposal{cmd, done})
	if len(l.pending) == 1 {
		l.w.after(int64(1+l.w.n(3)), l.flush)
	}
}

func (l *ledger) flush() {
	if len(l.pending) == 0 {
		return
	}
	batch := l.pending[:min(maxEntry, len(l.pending))]
	l.pending = append([]proposal(nil), l.pending[len(batch):]...)
	if len(l.pending) > 0 {
		l.w.after(1, l.flush)
	}
	l.append(batch)
}

// append commits one entry, and lets truth and the checkers see it.
func (l *ledger) append(batch []proposal) {
	w := l.w
	entry := &record.Entry{}
	for _, p := range batch {
		entry.Commands = append(entry.Commands, p.cmd)
	}
	data, err := entry.MarshalVT()
	if err != nil {
		w.violated("setup", "encode an entry: %v", err)
		return
	}
	results, err := l.truth.m.Apply(uint64(len(l.entries)+1), l.term, data)
	if err != nil {
		w.violated("state", "apply entry %d: %v", len(l.entries)+1, err)
		return
	}
	l.entries = append(l.entries, logged{l.term, data, l.digest()})
	for i, p := range batch {
		w.say("log %d: %s", len(l.entries), describe(p.cmd, results[i]))
	}
	w.facts.applied(batch, results)
	for i, p := range batch {
		if p.done != nil {
			p.done(results[i])
		}
	}
}

func (l *ledger) digest() []byte {
	c, err := state.ClusterRow(l.truth.table)
	if err != nil {
		l.w.violated("state", "%v", err)
	}
	return c.GetDigest()
}

// follow brings a replica up to so many entries, and compares.
func (l *ledger) follow(r *replica, upto int) {
	w := l.w
	applied, _ := r.m.Applied()
	for i := int(applied); i < min(upto, len(l.entries)); i++ {
		e := l.entries[i]
		if _, err := r.m.Apply(uint64(i+1), e.term, e.data); err != nil {
			w.violated("agreement", "a replica cannot apply entry %d: %v", i+1, err)
			return
		}
		c, err := state.ClusterRow(r.table)
		if err != nil || !bytes.Equal(c.GetDigest(), e.digest) {
			w.violated("agreement", "at entry %d one replica has digest %x, another %x (%v)", i+1, c.GetDigest(), e.digest, err)
			return
		}
	}
}

// keepBackup remembers the metadata as it is now.
func (l *ledger) keepBackup() {
	l.backup = &backup{len(l.entries), l.truth.table.View()}
	l.w.say("metadata backed up after entry %d", len(l.entries))
}

// restore puts the backup in place of the metadata on every server, and starts
// a generation with the first entry.
func (l *ledger) restore() {
	w := l.w
	b := l.backup
	w.say("metadata restored to entry %d of %d", b.index, len(l.entries))
	generation := l.truth.m.Version().Generation + 1
	l.entries = l.entries[:b.index:b.index]
	l.truth = w.open(copyOf(b.view))
	for _, s := range w.servers {
		s.replica = w.open(copyOf(b.view))
		s.stepDown()
		s.right = false
	}
	lost := l.pending
	l.pending = nil
	w.facts.restored()
	w.elect(w.servers[w.n(len(w.servers))])
	l.append([]proposal{{cmd: &record.Command{Body: &record.Command_StartGeneration{StartGeneration: &record.StartGeneration{Generation: generation}}}}})
	for _, p := range lost {
		if p.done != nil {
			p.done(nil)
		}
	}
}

// copyOf makes a table with the rows of a view.
func copyOf(v state.View) *table.Memory {
	t := table.NewMemory()
	var rows []state.Mutation
	_ = v.Scan(nil, nil, func(key, value []byte) bool {
		rows = append(rows, state.Mutation{Key: bytes.Clone(key), Value: bytes.Clone(value)})
		return true
	})
	_ = t.Write(rows)
	return t
}

func versionOf(c *record.Cluster) protocol.Version {
	return protocol.Version{Generation: c.GetGeneration(), Counter: c.GetCounter()}
}

// ordered takes down what a leader tells a node.
func (f *facts) ordered(id, generation uint32, o *pb.Order) {
	i, host := f.w.blockOf(o.Hash), f.host(id)
	if o.Kind == pb.OrderKind_ORDER_KIND_DELETE && i >= 0 && host != nil && generation == f.cluster.Generation {
		at := &f.orders[host.slot][i]
		*at = at.Max(unwire(o.Version))
	}
}

// claimed: what a node acknowledges is there.
func (f *facts) claimed(n *node, i int, c protocol.Claim) {
	if at := n.files[i]; !at.good || at.version.Less(c.Version) {
		if n.up() && !n.rotten[i] {
			f.w.violated("claims", "node %d claims %s at %s and holds %v", n.slot+1, f.w.name(i), c.Version, at)
		}
	}
}

// rotted, rolledBack and vanished note what a disk has lost.
func (f *facts) rotted(n *node, i int) {
	f.lost[n.slot][i] = versionOf(f.cluster)
	f.hurt[i] = true
	n.rotten[i] = n.up()
}

// found: the bad bytes that a running process had verified before are gone. What
// it acknowledged up to now may be false.
func (f *facts) found(n *node, i int) {
	f.lost[n.slot][i] = versionOf(f.cluster)
	n.rotten[i] = false
}

func (f *facts) rolledBack(n *node) {
	f.bad(n)
	for i := range f.hurt {
		f.hurt[i], f.fell[n.slot][i] = true, versionOf(f.cluster)
	}
}

// bad notes the files with bad bytes that came back, or whose loss came to be
// forgotten, with a disk or the metadata restored.
func (f *facts) bad(n *node) {
	for i, at := range n.files {
		if !at.version.IsZero() && !at.good {
			f.lost[n.slot][i] = versionOf(f.cluster)
		}
	}
}

func (f *facts) vanished(*node) {
	for i := range f.hurt {
		f.hurt[i] = true
	}
}
