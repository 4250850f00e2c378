package sim

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
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
	// epoch counts restores.
	epoch int
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
	l.epoch++
	l.entries = l.entries[:b.index:b.index]
	l.truth = w.open(copyOf(b.view))
	for _, s := range w.servers {
		s.replica = w.open(copyOf(b.view))
		s.stepDown()
		s.right = false
	}
	lost := l.pending
	l.pending = nil
	w.undone()
	w.facts.restored()
	leader := w.servers[w.n(len(w.servers))]
	w.elect(leader)
	// Clients are heard before any node is told of the generation.
	leader.muteUntil = w.now + w.shape.pace*int64(w.n(2)*w.n(700))
	l.append([]proposal{{cmd: &record.Command{Body: &record.Command_StartGeneration{StartGeneration: &record.StartGeneration{
		Generation: generation, PausedClasses: w.heldBack(),
	}}}}})
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

// describe says what a command asked for and came to, in one line.
func describe(c *record.Command, r *record.Result) string {
	result := "version " + unwire(r.Version).String()
	if r.Kind != 0 {
		result = fmt.Sprintf("%s (%s)", protocol.Kind(r.Kind), r.Detail)
	}
	return body(c) + " -> " + result
}

func body(c *record.Command) string {
	switch b := c.Body.(type) {
	case *record.Command_Commit:
		return fmt.Sprintf("commit %s %s, claims%s, call %s", b.Commit.Name, hashes(b.Commit.Blocks.GetHashes()), claims(b.Commit.Claims), call(b.Commit.Call))
	case *record.Command_AppendUpload:
		return fmt.Sprintf("append %s, claims%s, call %s", hashes(b.AppendUpload.Blocks.GetHashes()), claims(b.AppendUpload.Claims), call(b.AppendUpload.Call))
	case *record.Command_Copied:
		return fmt.Sprintf("copied %s, claims%s", hashes(b.Copied.Blocks.GetHashes()), claims(b.Copied.Claims))
	case *record.Command_Condemn:
		return "condemn " + hashes(b.Condemn.Hashes)
	case *record.Command_Reap:
		return fmt.Sprintf("reap %s, W to %s", hashes(b.Reap.Hashes), unwire(b.Reap.Upto))
	case *record.Command_Drop:
		return "drop " + items(b.Drop.Items)
	case *record.Command_Lost:
		return "lost " + items(b.Lost.Items)
	case *record.Command_Deleted:
		text := "deleted"
		for _, i := range b.Deleted.Items {
			text += " " + items([]*record.NodeBlock{i.Order})
			if i.Kept != nil {
				text += fmt.Sprintf(" (kept at %s)", unwire(i.Kept.Version))
			}
		}
		return text
	case *record.Command_Register:
		return fmt.Sprintf("register %s, acks %d, start %x", b.Register.Address, b.Register.Disks[0].Acks, b.Register.Start[:3])
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", c.Body), "*record.Command_") + fmt.Sprintf(" %.160v", c)
}

func call(c *pb.Call) string {
	if c == nil {
		return "none"
	}
	return fmt.Sprintf("%x/%d", c.Session[:3], c.Sequence)
}

func hashes(packed []byte) string {
	var out []string
	for ; len(packed) >= protocol.HashSize; packed = packed[protocol.HashSize:] {
		out = append(out, short(packed))
	}
	return "[" + strings.Join(out, " ") + "]"
}

func short(h []byte) string { return fmt.Sprintf("%x", h[:3]) }

func claims(list []*pb.Claim) (text string) {
	for _, c := range list {
		text += fmt.Sprintf(" %d:node %d.%d@%d.%d#%d", c.Block, c.Node, c.Incarnation, c.Generation, c.Counter, c.Ack)
	}
	return text
}

func items(list []*record.NodeBlock) (text string) {
	for _, i := range list {
		text += fmt.Sprintf("%s on node %d at %s ", short(i.Hash), i.Node, unwire(i.Version))
	}
	return text
}

func describeOrders(list []*pb.Order) string {
	var out []string
	for _, o := range list {
		out = append(out, fmt.Sprintf("%s %s at %s", schedule.KindName(o.Kind), short(o.Hash), unwire(o.Version)))
	}
	return strings.Join(out, ", ")
}
