package metaserver_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// healthy answers a ping with 300 of 1,000 bytes used.
func healthy(ctx *fasthttp.RequestCtx) error {
	return rpc.Reply(ctx, fasthttp.StatusOK, &pb.BlockserverStatus{Disks: []*pb.DiskStatus{{CapacityBytes: 1000, UsedBytes: 300, FreeBytes: 700}}})
}

func TestVerbs(t *testing.T) {
	g := startGroup(t, 3, nil)
	nodes := []*node{g.register(), g.register(), g.register()}
	s := g.session()

	t.Run("status", func(t *testing.T) { testStatus(t, g) })
	t.Run("layout", func(t *testing.T) { testLayout(t, g) })
	t.Run("inline", func(t *testing.T) { testInline(t, g, s) })
	t.Run("blocks", func(t *testing.T) { testBlocks(t, g, s, nodes) })
	t.Run("upload", func(t *testing.T) { testUpload(t, g, s, nodes) })
	t.Run("list and delete", func(t *testing.T) { testListDelete(t, g, s) })
	t.Run("report", func(t *testing.T) { testReport(t, g) })
	t.Run("followers", func(t *testing.T) { testFollowers(t, g) })
	t.Run("references come back", func(t *testing.T) { testDrain(t, g, s) })
	t.Run("sessions end", func(t *testing.T) { testSessionClose(t, g) })
	t.Run("a late opening", func(t *testing.T) { testLateOpening(t, g) })
	t.Run("bad input", func(t *testing.T) { testBadInput(t, g, s, nodes) })
	t.Run("JSON", func(t *testing.T) { testJSON(t, g) })
	t.Run("admin", func(t *testing.T) { testAdmin(t, g) })
}

func testStatus(t *testing.T, g *group) {
	for _, s := range g.servers {
		var st pb.ClusterStatus
		if err := g.client.Call(g.context(), s.ClientAddr(), protocol.PathClusterStatus, &pb.ClusterStatusRequest{Level: pb.Level_LEVEL_STALE}, &st); err != nil {
			t.Fatal(err)
		}
		if st.AnsweredBy != s.ID() || len(st.Members) != 3 || !bytes.Equal(st.Cluster, g.clusterID()) {
			t.Errorf("status is %v", &st)
		}
		leaders := 0
		for _, m := range st.Members {
			if !m.Voter || m.ClientAddress == "" || m.RaftAddress == "" || m.AdminAddress == "" {
				t.Errorf("member %v", m)
			}
			if m.Leader {
				leaders++
			}
		}
		if leaders != 1 {
			t.Errorf("%d members lead", leaders)
		}
	}
}

func (g *group) clusterID() []byte {
	id := g.servers[0].Cluster()
	return id[:]
}

func testLayout(t *testing.T, g *group) {
	var lay pb.Layout
	g.must(protocol.PathLayout, &pb.LayoutRequest{}, &lay)
	if len(lay.Nodes) != 3 || lay.Width != 3 || len(lay.Table) != 3*protocol.Partitions || lay.Redundancy != 3 || lay.Quorum != 2 {
		t.Fatalf("layout has %d nodes, width %d, %d places", len(lay.Nodes), lay.Width, len(lay.Table))
	}
	for _, n := range lay.Nodes {
		if !n.Reachable {
			t.Errorf("node %v answers pings", n)
		}
	}
	g.eventually("the layout shows what the nodes use now", func() bool {
		var lay pb.Layout
		g.must(protocol.PathLayout, &pb.LayoutRequest{}, &lay)
		return !slices.ContainsFunc(lay.Nodes, func(n *pb.BlockNode) bool { return n.UsedBytes != 300 })
	})
}

func testInline(t *testing.T, g *group, s *session) {
	content := []byte("hello, stones")
	req := s.commitInline("inline", content)
	req.ContentType = "text/plain"
	req.UserMetadata = []*pb.Meta{{Key: "colour", Value: "grey"}}
	var ans, again pb.CommitAnswer
	g.must(protocol.PathCommit, req, &ans)
	g.must(protocol.PathCommit, req, &again)
	if ans.Version.GetCounter() == 0 || again.Version.GetCounter() != ans.Version.GetCounter() {
		t.Errorf("the same call is answered with %v, then %v", ans.Version, again.Version)
	}
	for _, level := range []pb.Level{pb.Level_LEVEL_LINEARIZABLE, pb.Level_LEVEL_SESSION, pb.Level_LEVEL_STALE} {
		got, err := g.lookup(g.leader(), "inline", level, ans.Version)
		if err != nil || !bytes.Equal(got.Inline, content) || got.Object.GetContentType() != "text/plain" || len(got.Object.GetUserMetadata()) != 1 {
			t.Errorf("%v gives %v, %v", level, got, err)
		}
	}
	for _, f := range g.followers() {
		got, err := g.lookup(f, "inline", pb.Level_LEVEL_SESSION, ans.Version)
		if err != nil || !bytes.Equal(got.Inline, content) {
			t.Errorf("a follower at the version gives %v, %v", got, err)
		}
	}
	absent := s.commitInline("inline", content)
	absent.Precondition = &pb.Precondition{Kind: pb.Precondition_IF_ABSENT}
	g.refused(protocol.PreconditionFailed, protocol.PathCommit, absent, &pb.CommitAnswer{})
	empty := s.commitInline("empty", nil)
	g.must(protocol.PathCommit, empty, &ans)
}

func testBlocks(t *testing.T, g *group, s *session, nodes []*node) {
	b, claims := g.blocks(5, nodes...)
	var ans pb.CommitAnswer
	g.must(protocol.PathCommit, s.commitBlocks("blocks", b, claims), &ans)
	got, err := g.lookup(g.leader(), "blocks", pb.Level_LEVEL_LINEARIZABLE, nil)
	if err != nil || !bytes.Equal(got.Blocks.GetHashes(), b.Hashes) || len(got.Copies) != 15 {
		t.Fatalf("lookup gives %v, %v", got, err)
	}
	var prep pb.PrepareAnswer
	g.must(protocol.PathPrepare, &pb.PrepareRequest{Hashes: append(bytes.Clone(b.Hashes[:32]), randomBytes(32)...)}, &prep)
	if len(prep.Live) != 2 || !prep.Live[0] || prep.Live[1] {
		t.Errorf("prepare says %v of a live and a foreign hash", prep.Live)
	}
	var info pb.BlockInfoAnswer
	g.must(protocol.PathBlockInfo, &pb.BlockInfoRequest{Hash: b.Hashes[:32]}, &info)
	if info.References != 1 || info.Phase != "live" || len(info.Copies) != 3 {
		t.Errorf("block record is %v", &info)
	}
	again := s.commitBlocks("blocks-again", b, nil)
	g.must(protocol.PathCommit, again, &ans)

	fresh, one := g.blocks(2, nodes[0])
	var refused *protocol.Error
	err = g.try(protocol.PathCommit, s.commitBlocks("refused", fresh, one), &ans)
	refused = protocol.AsError(err)
	if refused == nil || refused.Kind != protocol.ClaimsRefused || len(refused.Refused) != 2 || !slices.Contains(refused.Refused, protocol.Hash(fresh.Hashes[:32])) {
		t.Fatalf("one claim of two needed: %v", err)
	}
	g.must(protocol.PathCommit, s.commitBlocks("refused", fresh, g.claims(2, nodes[1:]...)), &ans)
	var late pb.ClaimsAnswer
	g.must(protocol.PathClaims, &pb.ClaimsRequest{Blocks: fresh, Claims: g.claims(2, nodes[0])}, &late)
	if late.Counted != 2 {
		t.Errorf("%d late claims counted, want 2", late.Counted)
	}
}

func testUpload(t *testing.T, g *group, s *session, nodes []*node) {
	var created, twin pb.UploadCreateAnswer
	call := s.call()
	g.must(protocol.PathUploadCreate, &pb.UploadCreateRequest{Call: call, Bucket: "bucket"}, &created)
	g.must(protocol.PathUploadCreate, &pb.UploadCreateRequest{Call: call, Bucket: "bucket"}, &twin)
	if !bytes.Equal(created.Upload, twin.Upload) || len(created.Upload) != 16 {
		t.Fatalf("one call created uploads %x and %x", created.Upload, twin.Upload)
	}
	for page := range uint32(3) {
		b, claims := g.blocks(100, nodes...)
		g.must(protocol.PathUploadAppend, &pb.UploadAppendRequest{Call: s.call(), Upload: created.Upload, Page: page, Blocks: b, Claims: claims}, &pb.UploadAppendAnswer{})
	}
	fresh, one := g.blocks(2, nodes[0])
	err := g.try(protocol.PathUploadAppend, &pb.UploadAppendRequest{Call: s.call(), Upload: created.Upload, Page: 3, Blocks: fresh, Claims: one}, &pb.UploadAppendAnswer{})
	if e := protocol.AsError(err); e == nil || e.Kind != protocol.ClaimsRefused || len(e.Refused) != 2 {
		t.Errorf("a page with one claim of two needed: %v", err)
	}
	digest := protocol.HashOf([]byte("large"))
	g.refused(protocol.InvalidArgument, protocol.PathCommit, &pb.CommitRequest{Call: s.call(), Bucket: "other", Name: "large", Size: 300_000, Digest: digest[:], Upload: created.Upload}, &pb.CommitAnswer{})
	g.must(protocol.PathCommit, &pb.CommitRequest{Call: s.call(), Bucket: "bucket", Name: "large", Size: 300_000, Digest: digest[:], Upload: created.Upload}, &pb.CommitAnswer{})
	got, err := g.lookup(g.leader(), "large", pb.Level_LEVEL_LINEARIZABLE, nil)
	if err != nil || got.Object.GetBlockCount() != 300 || len(got.Blocks.GetPlainSizes()) == 0 {
		t.Errorf("lookup gives %v, %v", got.GetObject(), err)
	}
	var aborted pb.UploadCreateAnswer
	g.must(protocol.PathUploadCreate, &pb.UploadCreateRequest{Call: s.call(), Bucket: "bucket"}, &aborted)
	b, claims := g.blocks(10, nodes...)
	g.must(protocol.PathUploadAppend, &pb.UploadAppendRequest{Call: s.call(), Upload: aborted.Upload, Blocks: b, Claims: claims}, &pb.UploadAppendAnswer{})
	g.must(protocol.PathUploadAbort, &pb.UploadAbortRequest{Call: s.call(), Upload: aborted.Upload}, &pb.UploadAbortAnswer{})
	g.refused(protocol.NotFound, protocol.PathUploadAppend, &pb.UploadAppendRequest{Call: s.call(), Upload: aborted.Upload, Page: 1, Blocks: b, Claims: claims}, &pb.UploadAppendAnswer{})
}

func testListDelete(t *testing.T, g *group, s *session) {
	for _, name := range []string{"dir/a", "dir/b", "dir/sub/c"} {
		g.must(protocol.PathCommit, s.commitInline(name, []byte(name)), &pb.CommitAnswer{})
	}
	var page pb.ListAnswer
	g.must(protocol.PathList, &pb.ListRequest{Bucket: "bucket", Prefix: "dir/", Delimiter: "/"}, &page)
	if len(page.Objects) != 2 || len(page.Prefixes) != 1 || page.Prefixes[0] != "dir/sub/" || page.Next != "" {
		t.Errorf("listed %v", &page)
	}
	var one pb.ListAnswer
	g.must(protocol.PathList, &pb.ListRequest{Bucket: "bucket", Prefix: "dir/", Limit: 1}, &one)
	if len(one.Objects) != 1 || one.Next == "" {
		t.Errorf("a page of one is %v", &one)
	}
	var del pb.DeleteAnswer
	g.must(protocol.PathDelete, &pb.DeleteRequest{Call: s.call(), Bucket: "bucket", Items: []*pb.DeleteItem{{Name: "dir/a"}, {Name: "dir/nothing"}}}, &del)
	if len(del.Kinds) != 2 || del.Kinds[0] != 0 || protocol.Kind(del.Kinds[1]) != protocol.NotFound {
		t.Errorf("deleted %v", &del)
	}
	if _, err := g.lookup(g.leader(), "dir/a", pb.Level_LEVEL_LINEARIZABLE, nil); protocol.KindOf(err) != protocol.NotFound {
		t.Errorf("a deleted object: %v", err)
	}
}

func testReport(t *testing.T, g *group) {
	hash := randomBytes(32)
	req := &pb.ReportRequest{Hash: hash, Node: 2, Cause: uint32(protocol.Corrupt)}
	for range 3 {
		g.must(protocol.PathReport, req, &pb.ReportAnswer{})
	}
	var st pb.ClusterStatus
	g.must(protocol.PathClusterStatus, &pb.ClusterStatusRequest{}, &st)
	if st.Reports != 3 {
		t.Errorf("%d reports counted, want 3", st.Reports)
	}
}

func testFollowers(t *testing.T, g *group) {
	leader := g.leader()
	for _, f := range g.followers() {
		err := g.client.Call(g.context(), f.ClientAddr(), protocol.PathSessionOpen, &pb.SessionOpenRequest{}, &pb.SessionOpenAnswer{})
		if e := protocol.AsError(err); e == nil || e.Kind != protocol.NotLeader || e.Leader != leader.ClientAddr() {
			t.Errorf("a follower answers a write with %v", err)
		}
		_, err = g.lookup(f, "inline", pb.Level_LEVEL_LINEARIZABLE, nil)
		if e := protocol.AsError(err); e == nil || e.Kind != protocol.NotLeader || e.Leader != leader.ClientAddr() {
			t.Errorf("a follower answers a linearizable read with %v", err)
		}
		if got, err := g.lookup(f, "inline", pb.Level_LEVEL_STALE, nil); err != nil || got.Object == nil {
			t.Errorf("a follower answers a stale read with %v", err)
		}
		if err := g.client.Call(g.context(), f.ClientAddr(), protocol.PathPrepare, &pb.PrepareRequest{}, &pb.PrepareAnswer{}); err != nil {
			t.Errorf("a follower answers prepare with %v", err)
		}
		err = g.client.Call(g.context(), f.ClientAddr(), protocol.PathLayout, &pb.LayoutRequest{}, &pb.Layout{})
		if protocol.KindOf(err) != protocol.NotLeader {
			t.Errorf("a follower answers layout with %v", err)
		}
	}
}

func testDrain(t *testing.T, g *group, s *session) {
	var all pb.ListAnswer
	g.must(protocol.PathList, &pb.ListRequest{Bucket: "bucket"}, &all)
	del := &pb.DeleteRequest{Call: s.call(), Bucket: "bucket"}
	for _, o := range all.Objects {
		del.Items = append(del.Items, &pb.DeleteItem{Name: o.Name})
	}
	g.must(protocol.PathDelete, del, &pb.DeleteAnswer{})
	g.eventually("all references come back", func() bool {
		c := g.counters()
		return c.References == 0 && c.UnreferenceJobs == 0 && c.UnreferenceLeft == 0
	})
	c := g.counters()
	if c.Objects != 0 || c.LogicalBytes != 0 || c.LiveBlocks != 0 || c.InlineBytes != 0 || c.Uploads != 0 {
		t.Errorf("counters are %v", c)
	}
}

func testSessionClose(t *testing.T, g *group) {
	s := g.session()
	g.must(protocol.PathSessionClose, &pb.SessionCloseRequest{Session: s.id}, &pb.SessionCloseAnswer{})
	g.refused(protocol.SessionExpired, protocol.PathCommit, s.commitInline("late", []byte("late")), &pb.CommitAnswer{})
	// A retry of an open that has chosen its id opens that one, until it is used.
	own := &session{g: g, id: randomBytes(16)}
	before := g.counters().Sessions
	for range 3 {
		var ans pb.SessionOpenAnswer
		g.must(protocol.PathSessionOpen, &pb.SessionOpenRequest{Session: own.id}, &ans)
		if !bytes.Equal(ans.Session, own.id) || g.counters().Sessions != before+1 {
			t.Errorf("opened %x, %d sessions more; asked for %x", ans.Session, g.counters().Sessions-before, own.id)
		}
		if own.opened != nil && own.opened.GetCounter() != ans.Version.GetCounter() {
			t.Errorf("opened at %v, a retry says %v", own.opened, ans.Version)
		}
		own.opened = ans.Version
	}
	g.must(protocol.PathCommit, own.commitInline("own", []byte("own")), &pb.CommitAnswer{})
	g.refused(protocol.PreconditionFailed, protocol.PathSessionOpen, &pb.SessionOpenRequest{Session: own.id}, &pb.SessionOpenAnswer{})
	g.refused(protocol.InvalidArgument, protocol.PathSessionOpen, &pb.SessionOpenRequest{Session: own.id[:15]}, &pb.SessionOpenAnswer{})
}

// testLateOpening: when the opening of a session that was closed arrives once more,
// and what was asked under it, nothing of it runs, and the client of the session that
// came of it is told the version that its own calls carry.
func testLateOpening(t *testing.T, g *group) {
	s := g.session()
	old := s.commitInline("late", []byte("old"))
	g.must(protocol.PathCommit, old, &pb.CommitAnswer{})
	g.must(protocol.PathSessionClose, &pb.SessionCloseRequest{Session: s.id}, &pb.SessionCloseAnswer{})
	fresh := g.session()
	var ans pb.CommitAnswer
	g.must(protocol.PathCommit, fresh.commitInline("late", []byte("new")), &ans)
	var opened pb.SessionOpenAnswer
	g.must(protocol.PathSessionOpen, &pb.SessionOpenRequest{Session: s.id}, &opened)
	g.refused(protocol.SessionExpired, protocol.PathCommit, old, &pb.CommitAnswer{})
	got, err := g.lookup(g.leader(), "late", pb.Level_LEVEL_LINEARIZABLE, nil)
	if err != nil || got.GetObject().GetVersion().GetCounter() != ans.Version.GetCounter() {
		t.Errorf("the object is %v (%v), want version %v", got.GetObject(), err, ans.Version)
	}
	again := &session{g: g, id: s.id, opened: opened.Version}
	g.must(protocol.PathDelete, &pb.DeleteRequest{Call: again.call(), Bucket: "bucket", Items: []*pb.DeleteItem{{Name: "late"}}}, &pb.DeleteAnswer{})
}
