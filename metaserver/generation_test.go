package metaserver_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver"
	"github.com/seed-7d21a5b5/ashlar/metaserver/api/admin"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// met is the request of a node that has met a generation.
func met(generation uint32) *pb.RegisterRequest {
	return &pb.RegisterRequest{
		Identity: randomBytes(16), Address: "127.0.0.1:1", Start: randomBytes(16), HighestSeen: &pb.Version{Generation: generation, Counter: 7},
		Disks: []*pb.DiskInfo{{Disk: randomBytes(16), CapacityBytes: 1 << 30}},
	}
}

// TestRolledBackServesNothing: a node shows a version that the metadata never gave
// out. From then on every read that promises to be fresh is refused, at every
// replica, with what to do; stale reads and the status go on; and a generation
// above the one met brings everything back.
func TestRolledBackServesNothing(t *testing.T) {
	g := startGroup(t, 3, nil)
	nodes := []*node{g.register(), g.register(), g.register()}
	s := g.session()
	g.must(protocol.PathCommit, s.commitInline("inline", []byte("stone")), &pb.CommitAnswer{})
	b, claims := g.blocks(1, nodes...)
	var ans pb.CommitAnswer
	g.must(protocol.PathCommit, s.commitBlocks("blocks", b, claims), &ans)
	late := met(5)
	notNow := func(path string, q, a rpc.Message) {
		t.Helper()
		err := g.client.Call(g.context(), g.leader().ClientAddr(), path, q, a)
		if protocol.KindOf(err) != protocol.Unavailable || !strings.Contains(err.Error(), "start-generation") {
			t.Errorf("%s of what was rolled back: %v", path, err)
		}
	}
	notNow(protocol.PathNodeRegister, late, &pb.RegisterAnswer{})

	reads := map[string]func() (string, rpc.Message, rpc.Message){
		"lookup": func() (string, rpc.Message, rpc.Message) {
			return protocol.PathLookup, &pb.LookupRequest{Bucket: "bucket", Name: "inline"}, &pb.LookupAnswer{}
		},
		"list": func() (string, rpc.Message, rpc.Message) {
			return protocol.PathList, &pb.ListRequest{Bucket: "bucket"}, &pb.ListAnswer{}
		},
		"prepare": func() (string, rpc.Message, rpc.Message) {
			return protocol.PathPrepare, &pb.PrepareRequest{}, &pb.PrepareAnswer{}
		},
		"block info": func() (string, rpc.Message, rpc.Message) {
			return protocol.PathBlockInfo, &pb.BlockInfoRequest{Hash: b.Hashes}, &pb.BlockInfoAnswer{}
		},
		"explain": func() (string, rpc.Message, rpc.Message) {
			return protocol.PathExplain, &pb.ExplainRequest{Hash: b.Hashes}, &pb.ExplainAnswer{}
		},
		"work": func() (string, rpc.Message, rpc.Message) {
			return protocol.PathWorkList, &pb.WorkListRequest{}, &pb.WorkListAnswer{}
		},
		"plan": func() (string, rpc.Message, rpc.Message) {
			return protocol.PathWorkPlan, &pb.WorkPlanRequest{}, &pb.WorkPlanAnswer{}
		},
	}
	for _, read := range reads {
		notNow(read())
	}
	notNow(protocol.PathCommit, s.commitInline("more", []byte("stone")), &pb.CommitAnswer{})
	for _, server := range g.servers {
		g.eventually("a session's read is refused", func() bool {
			_, err := g.lookup(server, "inline", pb.Level_LEVEL_SESSION, ans.Version)
			return protocol.KindOf(err) == protocol.Unavailable
		})
		if got, err := g.lookup(server, "inline", pb.Level_LEVEL_STALE, nil); err != nil || !bytes.Equal(got.Inline, []byte("stone")) {
			t.Errorf("a stale read: %v, %v", got, err)
		}
	}
	var st pb.ClusterStatus
	g.must(protocol.PathClusterStatus, &pb.ClusterStatusRequest{}, &st)
	if !strings.Contains(st.NotServing, "above 5") {
		t.Errorf("the status says %q", st.NotServing)
	}

	startGenerations(t, g)
	for name, read := range reads {
		path, q, a := read()
		if err := g.client.Call(g.context(), g.leader().ClientAddr(), path, q, a); err != nil {
			t.Errorf("%s in the new generation: %v", name, err)
		}
	}
	g.must(protocol.PathNodeRegister, late, &pb.RegisterAnswer{})
	g.must(protocol.PathCommit, s.commitInline("more", []byte("stone")), &pb.CommitAnswer{})
}

// startGenerations tries the verb's refusals, then starts the one after 5.
func startGenerations(t *testing.T, g *group) {
	c := admin.NewClient(g.leader().Cluster())
	defer c.Close()
	at := func(q admin.StartGeneration) (admin.Generation, error) {
		return c.StartGeneration(g.context(), g.leader().AdminAddr(), q)
	}
	highest, wrong := uint32(5), uint32(4)
	if _, err := at(admin.StartGeneration{Generation: 5}); protocol.KindOf(err) != protocol.PreconditionFailed {
		t.Errorf("a generation that was met: %v", err)
	}
	if _, err := at(admin.StartGeneration{IfMet: &wrong}); protocol.KindOf(err) != protocol.Changed {
		t.Errorf("on another fact: %v", err)
	}
	if a, err := at(admin.StartGeneration{IfMet: &highest}); err != nil || a.Generation != 6 || a.Met != 5 {
		t.Errorf("started %+v, %v", a, err)
	}
	if _, err := c.StartGeneration(g.context(), g.followers()[0].AdminAddr(), admin.StartGeneration{}); protocol.KindOf(err) != protocol.NotLeader {
		t.Errorf("a follower: %v", err)
	}
}

// backup copies the leader's metadata to a file.
func (g *group) backup() string {
	g.t.Helper()
	c := admin.NewClient(g.leader().Cluster())
	defer c.Close()
	var b bytes.Buffer
	cluster, err := c.Backup(g.context(), g.leader().AdminAddr(), &b)
	if err != nil || cluster != g.servers[0].Cluster() {
		g.t.Fatalf("backup of cluster %s: %v", cluster, err)
	}
	for _, f := range g.followers() {
		if _, err := c.Backup(g.context(), f.AdminAddr(), &bytes.Buffer{}); protocol.KindOf(err) != protocol.NotLeader {
			g.t.Errorf("a follower's backup: %v", err)
		}
	}
	path := filepath.Join(g.dir, "backup")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		g.t.Fatal(err)
	}
	return path
}

// TestRestore: a backup begins a group of its own, in the next generation, with
// what there was; the others join on empty folders.
func TestRestore(t *testing.T) {
	g := startGroup(t, 3, nil)
	s := g.session()
	for _, name := range []string{"one", "two"} {
		g.must(protocol.PathCommit, s.commitInline(name, []byte(name)), &pb.CommitAnswer{})
	}
	path := g.backup()
	g.must(protocol.PathCommit, s.commitInline("three", []byte("three")), &pb.CommitAnswer{})
	old := g.servers[0].Cluster()
	for i := range g.servers {
		g.stop(i)
	}
	for i := range g.servers {
		g.configs[i].Dir += "-anew"
		if i == 0 {
			g.configs[i].RestoreFrom, g.configs[i].RestoreGeneration = path, 2
		} else {
			g.configs[i].Join = []string{g.configs[0].AdminListen}
		}
		g.start(i)
	}
	g.waitReady()
	var st pb.ClusterStatus
	g.must(protocol.PathClusterStatus, &pb.ClusterStatusRequest{}, &st)
	if st.Version.Generation != 2 || len(st.Members) != 3 || !bytes.Equal(st.Cluster, old[:]) {
		t.Errorf("the restored cluster is %v", &st)
	}
	for name, want := range map[string]protocol.Kind{"one": 0, "two": 0, "three": protocol.NotFound} {
		got, err := g.lookup(g.leader(), name, pb.Level_LEVEL_LINEARIZABLE, nil)
		if protocol.KindOf(err) != want || err == nil && string(got.Inline) != name {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	g.must(protocol.PathCommit, g.session().commitInline("four", []byte("four")), &pb.CommitAnswer{})
	g.stop(0)
	g.configs[0].RestoreFrom = path
	g.start(0)
	g.waitReady()
	if _, err := g.lookup(g.leader(), "four", pb.Level_LEVEL_LINEARIZABLE, nil); err != nil {
		t.Errorf("a folder that was restored is not restored again: %v", err)
	}
}

// TestRestoreHoldsDeletes: a delete of a prefix that the backup holds as under way
// waits until reclamation is resumed. What is asked for since is done meanwhile.
func TestRestoreHoldsDeletes(t *testing.T) {
	g := startGroup(t, 1, nil)
	g.fill("gone/", 1000)
	g.fill("since/", 10)
	slow, fast := uint32(10_000), uint32(0)
	g.must(protocol.PathWorkSet, &pb.WorkSetRequest{TranquilityPercent: &slow}, &pb.WorkSetAnswer{})
	var old, since pb.DeletePrefixAnswer
	g.must(protocol.PathPrefixDelete, &pb.DeletePrefixRequest{Bucket: "bucket", Prefix: "gone/"}, &old)
	path := g.backup()
	g.stop(0)
	g.configs[0].Dir += "-anew"
	g.configs[0].RestoreFrom, g.configs[0].RestoreGeneration = path, 2
	g.start(0)
	g.waitReady()

	var set pb.WorkSetAnswer
	g.must(protocol.PathWorkSet, &pb.WorkSetRequest{TranquilityPercent: &fast}, &set)
	if paused := set.Settings.PausedClasses; paused != state.HeldByRestore {
		t.Errorf("a restore pauses %b, want %b", paused, state.HeldByRestore)
	}
	before := g.prefixJob(old.Job)
	g.must(protocol.PathPrefixDelete, &pb.DeletePrefixRequest{Bucket: "bucket", Prefix: "since/"}, &since)
	g.eventually("what is asked for since is deleted", func() bool { return g.prefixJob(since.Job).State == "done" })
	if j := g.prefixJob(old.Job); before.State != "running" || j.State != "running" || j.Objects != before.Objects {
		t.Errorf("the delete of before the restore is %v, then %v", before, j)
	}
	var jobs pb.JobListAnswer
	g.must(protocol.PathJobList, &pb.JobListRequest{}, &jobs)
	if len(jobs.Jobs) != 1 || !strings.Contains(jobs.Jobs[0].WaitsFor, "ashlar gc resume") {
		t.Errorf("the jobs are %v", jobs.Jobs)
	}
	g.must(protocol.PathWorkSet, &pb.WorkSetRequest{Resume: state.HeldByRestore}, &pb.WorkSetAnswer{})
	g.eventually("the delete goes on", func() bool { return g.prefixJob(old.Job).State == "done" })
	if n := g.counters().Objects; n != 0 {
		t.Errorf("%d objects are left", n)
	}
}

func TestRestoreRefuses(t *testing.T) {
	g := startGroup(t, 1, nil)
	path := g.backup()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn, bent := filepath.Join(g.dir, "torn"), filepath.Join(g.dir, "bent")
	for name, body := range map[string][]byte{torn: whole[:len(whole)-1], bent: append(append([]byte(nil), whole[:500]...), whole[501:]...)} {
		if err := os.WriteFile(name, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name  string
		kind  protocol.Kind
		spoil func(*metaserver.Config)
	}{
		{"no file", protocol.InvalidArgument, func(c *metaserver.Config) { c.RestoreFrom += "-missing" }},
		{"a torn file", protocol.Corrupt, func(c *metaserver.Config) { c.RestoreFrom = torn }},
		{"a bent file", protocol.Corrupt, func(c *metaserver.Config) { c.RestoreFrom = bent }},
		{"no generation", protocol.InvalidArgument, func(c *metaserver.Config) { c.RestoreGeneration = 0 }},
		{"a new cluster as well", protocol.InvalidArgument, func(c *metaserver.Config) { c.Bootstrap = true }},
	} {
		cfg := metaserver.Config{Dir: t.TempDir(), ClientListen: "127.0.0.1:0", RaftListen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", RestoreFrom: path, RestoreGeneration: 2, Replica: quickReplica()}
		tc.spoil(&cfg)
		if _, err := metaserver.Start(g.context(), cfg); protocol.KindOf(err) != tc.kind {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	cfg := metaserver.Config{
		Dir: t.TempDir(), ClientListen: "127.0.0.1:0", RaftListen: "127.0.0.1:0", AdminListen: "127.0.0.1:0",
		RestoreFrom: path, RestoreGeneration: 1, Replica: quickReplica(),
	}
	g.unfinished(cfg, "above 1")
	cfg.RestoreGeneration = protocol.MaxGeneration // which a blockserver's highest_seen may be one below
	g.unfinished(cfg, "start one from 2 to 1074790400")
	cfg.RestoreFrom = ""
	if _, err := metaserver.Start(g.context(), cfg); protocol.KindOf(err) != protocol.InvalidArgument {
		t.Errorf("a restore that was not finished, without the backup: %v", err)
	}
	cfg.RestoreFrom, cfg.RestoreGeneration = path, 0
	if _, err := metaserver.Start(g.context(), cfg); protocol.KindOf(err) != protocol.InvalidArgument {
		t.Errorf("a restore that was not finished, without a generation: %v", err)
	}
	cfg.RestoreFrom, cfg.RestoreGeneration = path, 9
	s, err := metaserver.Start(g.context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	<-s.Ready()
	if err := s.Close(g.context()); err != nil {
		t.Error(err)
	}
}

// unfinished restores into a generation that is refused with what can be done.
func (g *group) unfinished(cfg metaserver.Config, next string) {
	g.t.Helper()
	s, err := metaserver.Start(g.context(), cfg)
	if err != nil {
		g.t.Fatal(err)
	}
	select {
	case <-s.Ready():
		g.t.Errorf("restored into generation %d", cfg.RestoreGeneration)
	case err := <-waited(s):
		if protocol.KindOf(err) != protocol.InvalidArgument || !strings.Contains(err.Error(), next) {
			g.t.Errorf("generation %d: %v", cfg.RestoreGeneration, err)
		}
	}
	if err := s.Close(g.context()); err != nil {
		g.t.Error(err)
	}
}

func waited(s *metaserver.Server) <-chan error {
	done := make(chan error, 1)
	go func() { done <- s.Wait() }()
	return done
}
