package state_test

import (
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

type message interface {
	MarshalVT() ([]byte, error)
	UnmarshalVT([]byte) error
}

// damaged is a copy of a good state that a test breaks on purpose.
type damaged struct {
	t *testing.T
	*table.Memory
}

// change rewrites the first row of a table, a letter.
func (d damaged) change(letter string, row message, f func()) {
	d.t.Helper()
	var key []byte
	err := d.Scan([]byte(letter), []byte{letter[0] + 1}, func(k, value []byte) bool {
		key = append(key, k...)
		if err := row.UnmarshalVT(value); err != nil {
			d.t.Fatal(err)
		}
		return false
	})
	if err != nil || key == nil {
		d.t.Fatal("no row", letter, err)
	}
	f()
	d.put(string(key), marshal(d.t, row))
}

func (d damaged) put(key string, value []byte) {
	if err := d.Write([]state.Mutation{{Key: []byte(key), Value: value}}); err != nil {
		d.t.Fatal(err)
	}
}

func (d damaged) remove(letter string) {
	var key []byte
	if err := d.Scan([]byte(letter), []byte{letter[0] + 1}, func(k, _ []byte) bool { key = append(key, k...); return false }); err != nil {
		d.t.Fatal(err)
	}
	if err := d.Write([]state.Mutation{{Key: key, Delete: true}}); err != nil {
		d.t.Fatal(err)
	}
}

// cluster changes the cluster's row.
func (d damaged) cluster(f func(*record.Cluster)) {
	c := &record.Cluster{}
	d.change("c", c, func() { f(c) })
}

func (d damaged) block(f func(*record.Block)) {
	b := &record.Block{}
	d.change("b", b, func() { f(b) })
}

func (d damaged) session(f func(*record.Session)) {
	s := &record.Session{}
	d.change("s", s, func() { f(s) })
}

func (d damaged) page(f func(*record.UploadPage)) {
	p := &record.UploadPage{}
	d.change("p", p, func() { f(p) })
}

func (d damaged) upload(f func(*record.Upload)) {
	u := &record.Upload{}
	d.change("u", u, func() { f(u) })
}

func (d damaged) job(f func(*record.Job)) {
	j := &record.Job{}
	d.change("j", j, func() { f(j) })
}

func (d damaged) prefix(f func(*record.PrefixJob)) {
	j := &record.PrefixJob{}
	d.change("d", j, func() { f(j) })
}

func (d damaged) object(f func(*record.Object)) {
	o := &record.Object{}
	d.change("o", o, func() { f(o) })
}

// everything is a state with a row in each table: an object of blocks, an open
// upload, a job, a session with results.
func everything(t *testing.T) *machine {
	m := bootstrapped(t, 3)
	m.must(openSession("session"))
	first := inline("first", 0)
	first.Call, first.Blocks, first.Size, first.Claims = m.call("session", 1, 0), blocksOf("A", "B"), 200, claimsOf(2, m.Version(), 1, 2)
	m.must(commitCommand(first))
	second := inline("second", 0)
	second.Blocks, second.Size = blocksOf("A", "A", "B"), 300
	m.must(commitCommand(second))
	m.must(&record.Command{Body: &record.Command_Delete{Delete: &pb.DeleteRequest{Bucket: "limits", Items: []*pb.DeleteItem{{Name: "second"}}}}})
	m.must(&record.Command{Body: &record.Command_CreateUpload{CreateUpload: &record.CreateUpload{Call: m.call("session", 2, 0), Upload: id("upload"), Bucket: "limits"}}})
	m.must(&record.Command{Body: &record.Command_AppendUpload{AppendUpload: &pb.UploadAppendRequest{Upload: id("upload"), Blocks: blocksOf("A", "B")}}})
	m.must(deletePrefix("fir"))
	m.must(&record.Command{Body: &record.Command_PutMetaMember{PutMetaMember: &record.PutMetaMember{Member: sampleMember()}}})
	return m
}

// TestCheckSees: each way of breaking a state is found by the invariant that
// names it; one that has gone blind fails here.
func TestCheckSees(t *testing.T) {
	cases := []struct {
		invariant, what string
		damage          func(damaged)
	}{
		{"counters", "a counter off by one", func(d damaged) { d.cluster(func(c *record.Cluster) { c.Counters.Objects++ }) }},
		{"references", "a reference too many", func(d damaged) { d.block(func(b *record.Block) { b.Refs++ }) }},
		{"references", "a block lost", func(d damaged) { d.remove("b") }},
		{"references", "a job's cursor moved", func(d damaged) { d.job(func(j *record.Job) { j.Cursor++ }) }},
		{"references", "a job lost", func(d damaged) { d.remove("j") }},
		{"phases", "referenced and unreferenced", func(d damaged) { d.block(func(b *record.Block) { b.Phase = record.Block_UNREFERENCED }) }},
		{"phases", "no phase", func(d damaged) { d.block(func(b *record.Block) { b.Phase = record.Block_NONE }) }},
		{"phases", "condemned with copies", func(d damaged) { d.block(func(b *record.Block) { b.Phase, b.Refs = record.Block_CONDEMNED, 0 }) }},
		{"phases", "live and pending", func(d damaged) { d.block(func(b *record.Block) { b.Pending = []uint32{1} }) }},
		{"phases", "a node twice", func(d damaged) { d.block(func(b *record.Block) { b.Copies = append(b.Copies, b.Copies[1]) }) }},
		{"floors", "no floor", func(d damaged) { d.block(func(b *record.Block) { b.Floor = nil }) }},
		{"floors", "a floor to come", func(d damaged) { d.block(func(b *record.Block) { b.Floor.Counter, b.Copies = 99, nil }) }},
		{"floors", "a copy to come", func(d damaged) { d.block(func(b *record.Block) { b.Copies[0].Counter = 99 }) }},
		{"floors", "a drop above the floor", func(d damaged) {
			d.block(func(b *record.Block) { b.Drops = []*record.Held{{Node: 3, Generation: 1, Counter: 3}} })
		}},
		{"floors", "a watermark to come", func(d damaged) {
			d.cluster(func(c *record.Cluster) { c.Watermark = &pb.Version{Generation: 1, Counter: 99} })
		}},
		{"nodes", "a copy on nobody", func(d damaged) { d.block(func(b *record.Block) { b.Copies[1].Node = 9 }) }},
		{"nodes", "a node lost", func(d damaged) { d.remove("n") }},
		{"nodes", "an identity that leads elsewhere", func(d damaged) { d.put("i"+string(numbered("node", 1)), []byte{0, 0, 0, 2}) }},
		{"nodes", "a suspect that the cluster does not know", func(d damaged) {
			n := &record.Node{}
			d.change("n", n, func() { n.InventoryDue = sampleVersion() })
		}},
		{"layout", "a partition on a node twice", func(d damaged) {
			l := &record.Layout{}
			d.change("l", l, func() { l.Table[3] = l.Table[7] })
		}},
		{"layout", "a partition on nobody", func(d damaged) {
			l := &record.Layout{}
			d.change("l", l, func() { l.Table[3] = 9 })
		}},
		{"layout", "another version", func(d damaged) { d.cluster(func(c *record.Cluster) { c.LayoutVersion++ }) }},
		{"objects", "a size that is not the content's", func(d damaged) { d.object(func(o *record.Object) { o.Size++ }) }},
		{"objects", "a version to come", func(d damaged) { d.object(func(o *record.Object) { o.Version.Counter = 99 }) }},
		{"objects", "a bad name", func(d damaged) { d.put("olimits\x00\x01", nil) }},
		{"objects", "an upload that is open", func(d damaged) {
			d.object(func(o *record.Object) { o.Upload = id("upload") })
		}},
		{"uploads", "a count of uploads", func(d damaged) { d.session(func(s *record.Session) { s.Uploads++ }) }},
		{"uploads", "an upload not listed", func(d damaged) { d.remove("v") }},
		{"uploads", "an upload closed and owned by nobody", func(d damaged) { d.upload(func(u *record.Upload) { u.Closed = true }) }},
		{"pages", "a page elsewhere", func(d damaged) { d.page(func(p *record.UploadPage) { p.Offset++ }) }},
		{"pages", "a page's count", func(d damaged) { d.page(func(p *record.UploadPage) { p.FirstBlock++ }) }},
		{"pages", "an upload's size", func(d damaged) { d.upload(func(u *record.Upload) { u.Size++ }) }},
		{"pages", "a page of nobody", func(d damaged) { d.put("p"+string(id("nobody"))+"\x00\x00\x00\x00\x00\x00\x00\x64", nil) }},
		{"jobs", "a job of another length", func(d damaged) { d.job(func(j *record.Job) { j.BlockCount++ }) }},
		{"sessions", "an opening to come", func(d damaged) { d.session(func(s *record.Session) { s.Opened.Counter += 1000 }) }},
		{"sessions", "a result lost", func(d damaged) { d.remove("r") }},
		{"sessions", "a result outside the window", func(d damaged) { d.session(func(s *record.Session) { s.Done &^= 1 }) }},
		{"sessions", "a highest below what was done", func(d damaged) { d.session(func(s *record.Session) { s.Highest = 1 }) }},
		{"prefixes", "an object left behind", func(d damaged) {
			d.prefix(func(j *record.PrefixJob) { j.State, j.Ended = record.PrefixJob_DONE, j.Upto })
			d.cluster(func(c *record.Cluster) { c.Counters.PrefixJobs = 0 })
		}},
		{"prefixes", "another begin", func(d damaged) { d.prefix(func(j *record.PrefixJob) { j.Upto.Counter++ }) }},
		{"prefixes", "a cursor elsewhere", func(d damaged) { d.prefix(func(j *record.PrefixJob) { j.Cursor = "elsewhere" }) }},
		{"counters", "a job lost", func(d damaged) { d.remove("d") }},
		{"audit", "the oldest row lost", func(d damaged) { d.remove("a") }},
		{"audit", "a row of no kind", func(d damaged) { d.put("a"+strings.Repeat("\x00", 16), nil) }},
		{"counters", "a row that is not counted", func(d damaged) {
			row := &pb.AuditRow{}
			d.change("a", row, func() { row.Request = "longer" })
		}},
		{"rows", "a row of no table", func(d damaged) { d.put("x", nil) }},
		{"rows", "a short key", func(d damaged) { d.put("bx", nil) }},
		{"rows", "a row with a field spelt twice", func(d damaged) { d.put("s"+string(id("other")), []byte{0x08, 1, 0x08, 2}) }},
	}
	for _, c := range cases {
		t.Run(c.invariant+"/"+c.what, func(t *testing.T) {
			d := damaged{t, everything(t).table.(*table.Memory)}
			c.damage(d)
			if err := state.Check(d); err == nil || !strings.HasPrefix(err.Error(), "state: invariant "+c.invariant+":") {
				t.Fatalf("found %v", err)
			}
		})
	}
}

// TestDamagedRows: a row that cannot be decoded is Corrupt wherever it is read.
func TestDamagedRows(t *testing.T) {
	m := everything(t)
	d := damaged{t, m.table.(*table.Memory)}
	d.put("olimits\x00first", []byte("damaged"))
	if _, err := state.Lookup(d, &pb.LookupRequest{Bucket: "limits", Name: "first"}); protocol.KindOf(err) != protocol.Corrupt {
		t.Error(err)
	}
	if _, err := state.List(d, &pb.ListRequest{Bucket: "limits"}); protocol.KindOf(err) != protocol.Corrupt {
		t.Error(err)
	}
	if err := state.Check(d); protocol.KindOf(err) != protocol.Corrupt {
		t.Error(err)
	}
	if _, err := state.Recount(d); protocol.KindOf(err) != protocol.Corrupt {
		t.Error(err)
	}
	if _, err := m.Apply(m.index+1, 1, encode(t, commitCommand(inline("first", 1)))); protocol.KindOf(err) != protocol.Corrupt {
		t.Error(err)
	}
	d.put("n\x00\x00\x00\x09", nil)
	if _, err := state.Open(d); protocol.KindOf(err) != protocol.Corrupt {
		t.Error(err)
	}
}
