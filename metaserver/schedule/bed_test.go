package schedule_test

import (
	"encoding/binary"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// bed is a state machine with blockservers that keep versions of files, as plans
// are tested against it: the real state, nodes as maps.
type bed struct {
	tb    testing.TB
	m     *state.Machine
	table *table.Memory
	index uint64
	now   int64
	files []map[protocol.Hash]protocol.Version // of node i+1
	down  map[protocol.NodeID]bool
}

// newBed has R 3, Q 2 and n nodes, in incarnation 1.
func newBed(tb testing.TB, n int, settings ...func(*record.Settings)) *bed {
	tb.Helper()
	t := table.NewMemory()
	m, err := state.Open(t)
	if err != nil {
		tb.Fatal(err)
	}
	b := &bed{tb: tb, m: m, table: t, now: 1_000_000, down: map[protocol.NodeID]bool{}}
	s := &record.Settings{Redundancy: 3, Quorum: 2}
	for _, set := range settings {
		set(s)
	}
	b.must(&record.Command{Body: &record.Command_Bootstrap{Bootstrap: &record.Bootstrap{Cluster: id("cluster", 0), Settings: s}}})
	for range n {
		b.join()
	}
	return b
}

func id(name string, i uint32) []byte {
	h := protocol.HashOf(binary.BigEndian.AppendUint32([]byte(name), i))
	return h[:16]
}

// join registers one more node.
func (b *bed) join() protocol.NodeID {
	b.tb.Helper()
	b.files = append(b.files, map[protocol.Hash]protocol.Version{})
	return protocol.NodeID(b.register(uint32(len(b.files)), 1, 0))
}

func (b *bed) register(node, start uint32, acks uint64) uint32 {
	b.tb.Helper()
	return b.must(&record.Command{Body: &record.Command_Register{Register: &pb.RegisterRequest{
		Identity: id("node", node), Address: "10.0.0.1:1", Start: id("start", node<<8|start),
		Disks: []*pb.DiskInfo{{Disk: id("disk", node), CapacityBytes: 1 << 30, Acks: acks}},
	}}}).GetRegister().GetNode()
}

func (b *bed) apply(c *record.Command) *record.Result {
	b.tb.Helper()
	c.NowUnixMs = b.now
	data, err := (&record.Entry{Commands: []*record.Command{c}}).MarshalVT()
	if err != nil {
		b.tb.Fatal(err)
	}
	b.index++
	results, err := b.m.Apply(b.index, 1, data)
	if err != nil {
		b.tb.Fatal(err)
	}
	if err := state.Check(b.table); err != nil {
		b.tb.Fatalf("after %T: %v", c.Body, err)
	}
	return results[0]
}

func (b *bed) must(c *record.Command) *record.Result {
	b.tb.Helper()
	r := b.apply(c)
	if r.Kind != 0 {
		b.tb.Fatalf("%T: %s: %s", c.Body, protocol.Kind(r.Kind), r.Detail)
	}
	return r
}

func hashOf(text string) protocol.Hash { return protocol.HashOf([]byte(text)) }

func wire(v protocol.Version) *pb.Version {
	return &pb.Version{Generation: v.Generation, Counter: v.Counter}
}

// store puts a file at the present version on nodes, and returns the claims.
func (b *bed) store(text string, nodes ...protocol.NodeID) []*pb.Claim {
	v := b.m.Version()
	var claims []*pb.Claim
	for _, n := range nodes {
		files := b.files[n-1]
		files[hashOf(text)] = files[hashOf(text)].Max(v)
		claims = append(claims, &pb.Claim{Node: uint32(n), Incarnation: b.incarnation(n), Generation: v.Generation, Counter: v.Counter})
	}
	return claims
}

func (b *bed) incarnation(n protocol.NodeID) uint64 {
	nodes, err := state.Nodes(b.table)
	if err != nil {
		b.tb.Fatal(err)
	}
	return nodes[n-1].Incarnation
}

// put commits an object of one block that the nodes store.
func (b *bed) put(text string, nodes ...protocol.NodeID) {
	b.tb.Helper()
	h := hashOf(text)
	b.must(&record.Command{Body: &record.Command_Commit{Commit: &pb.CommitRequest{
		Bucket: "bucket", Name: text, Size: 100, Claims: b.store(text, nodes...),
		Blocks: &pb.Blocks{Hashes: h[:], PlainSizes: []uint32{100}, StoredSizes: []uint32{60}},
	}}})
}

// delete ends an object and takes its references back.
func (b *bed) delete(text string) {
	b.tb.Helper()
	b.must(&record.Command{Body: &record.Command_Delete{Delete: &pb.DeleteRequest{Bucket: "bucket", Items: []*pb.DeleteItem{{Name: text}}}}})
	jobs, err := state.Jobs(b.table, 100)
	if err != nil {
		b.tb.Fatal(err)
	}
	for _, j := range jobs {
		b.must(&record.Command{Body: &record.Command_Unreference{Unreference: &record.Unreference{
			Steps: []*record.UnreferenceStep{{Job: wire(j.Job), Cursor: j.Cursor, Count: uint32(j.Left)}},
		}}})
	}
}

// observe is a settled leader's view: all nodes answer but those that are down.
func (b *bed) observe() schedule.Observation {
	obs := schedule.Observation{NowUnixMs: b.now, Chance: 7, Generation: b.m.Version().Generation, Term: 1, SessionsSettled: true}
	for i := range b.files {
		n := protocol.NodeID(i + 1)
		obs.Nodes = append(obs.Nodes, schedule.Node{ID: n, Address: "n" + n.String(), Reachable: !b.down[n], FreeSlots: 16})
	}
	return obs
}

func (b *bed) plan(obs schedule.Observation) schedule.Plan {
	b.tb.Helper()
	p, err := schedule.Next(b.table, obs)
	if err != nil {
		b.tb.Fatal(err)
	}
	return p
}

// carry has node do what a batch says, and settles the answers.
func (b *bed) carry(obs schedule.Observation, n protocol.NodeID, orders []*pb.Order) {
	b.tb.Helper()
	var answers []*pb.OrderAnswer
	for _, o := range orders {
		answers = append(answers, b.execute(n, o))
	}
	b.settle(obs, n, orders, answers)
}

func (b *bed) settle(obs schedule.Observation, n protocol.NodeID, orders []*pb.Order, answers []*pb.OrderAnswer) []*record.Command {
	b.tb.Helper()
	commands, err := schedule.Settle(b.table, obs, n, orders, answers)
	if err != nil {
		b.tb.Fatal(err)
	}
	for _, c := range commands {
		b.must(c)
	}
	return commands
}

// execute is a block server's rules, on a map.
func (b *bed) execute(n protocol.NodeID, o *pb.Order) *pb.OrderAnswer {
	h := protocol.Hash(o.Hash)
	files := b.files[n-1]
	have, found := files[h]
	v := protocol.Version{Generation: o.Version.Generation, Counter: o.Version.Counter}
	ack := func(outcome pb.Outcome) *pb.OrderAnswer {
		return &pb.OrderAnswer{Id: o.Id, Outcome: outcome, Ack: &pb.Ack{
			Hash: o.Hash, Node: uint32(n), Incarnation: b.incarnation(n), Version: wire(files[h]), PlainSize: 100, StoredSize: 60,
		}}
	}
	switch o.Kind {
	case pb.OrderKind_ORDER_KIND_DELETE:
		if found && !have.Less(v) {
			return ack(pb.Outcome_OUTCOME_KEPT)
		}
		delete(files, h)
		return &pb.OrderAnswer{Id: o.Id, Outcome: pb.Outcome_OUTCOME_NONE_BELOW}
	case pb.OrderKind_ORDER_KIND_COPY:
		if !found && len(o.Sources) > protocol.MaxSources {
			return &pb.OrderAnswer{Id: o.Id, Outcome: pb.Outcome_OUTCOME_FAILED, Kind: uint32(protocol.InvalidArgument), Detail: "too many sources"}
		}
		if !found && !b.fetchable(h, o.Sources) {
			return &pb.OrderAnswer{Id: o.Id, Outcome: pb.Outcome_OUTCOME_FAILED, Kind: uint32(protocol.NotFound), Detail: "no source has it"}
		}
		files[h] = have.Max(v)
		return ack(pb.Outcome_OUTCOME_HELD)
	}
	if !found {
		return &pb.OrderAnswer{Id: o.Id, Outcome: pb.Outcome_OUTCOME_LOST}
	}
	return ack(pb.Outcome_OUTCOME_HELD)
}

func (b *bed) fetchable(h protocol.Hash, sources []string) bool {
	for i := range b.files {
		n := protocol.NodeID(i + 1)
		for _, s := range sources {
			if _, ok := b.files[i][h]; ok && s == "n"+n.String() && !b.down[n] {
				return true
			}
		}
	}
	return false
}

// rounds carries plans out until one is empty, and returns how many it took.
func (b *bed) rounds(most int) int {
	b.tb.Helper()
	for i := range most {
		obs := b.observe()
		p := b.plan(obs)
		if p.Empty() {
			return i
		}
		for _, n := range p.Orders {
			b.carry(obs, n.Node, n.Orders)
		}
		for _, c := range p.Commands {
			b.must(c)
		}
	}
	b.tb.Fatalf("%d rounds were not enough; still planned:\n%s", most, b.plan(b.observe()))
	return most
}

func (b *bed) row(text string) *record.Block {
	b.tb.Helper()
	row, ok, err := state.BlockRow(b.table, hashOf(text))
	if err != nil {
		b.tb.Fatal(err)
	}
	if !ok {
		return nil
	}
	return row
}

func hashBytes(text string) []byte {
	h := hashOf(text)
	return h[:]
}

// places are those of a block that nobody has put, best first.
func (b *bed) places(text string) []uint32 {
	b.tb.Helper()
	p, err := state.PlacingOf(b.table)
	if err != nil {
		b.tb.Fatal(err)
	}
	return p.Places(hashBytes(text), nil)
}
