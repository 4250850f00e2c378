package metaserver_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// fill commits n small objects below prefix from several sessions.
func (g *group) fill(prefix string, n int) {
	g.t.Helper()
	const lanes = 16
	var all sync.WaitGroup
	for lane := range lanes {
		s := g.session()
		all.Go(func() {
			for i := lane; i < n; i += lanes {
				req := s.commitInline(fmt.Sprintf("%s%07d", prefix, i), []byte("sixteen bytes!!!"))
				if err := g.try(protocol.PathCommit, req, &pb.CommitAnswer{}); err != nil {
					g.t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

func (g *group) prefixJob(job *pb.Version) *pb.PrefixJobInfo {
	g.t.Helper()
	var ans pb.PrefixListAnswer
	g.must(protocol.PathPrefixList, &pb.PrefixListRequest{Job: job}, &ans)
	if len(ans.Jobs) != 1 {
		g.t.Fatalf("the delete %v is not listed: %v", job, &ans)
	}
	return ans.Jobs[0]
}

// TestDeletePrefixAcrossLeaders: the leader goes in the middle of a delete; the
// next one goes on where it was, and every object ends once.
func TestDeletePrefixAcrossLeaders(t *testing.T) {
	g := startGroup(t, 3, nil)
	const objects = 4000
	g.fill("gone/", objects)
	g.fill("kept/", 10)
	s := g.session()
	// The pace leaves time to take the leader away.
	slow := uint32(10_000)
	g.must(protocol.PathWorkSet, &pb.WorkSetRequest{TranquilityPercent: &slow}, &pb.WorkSetAnswer{})
	var began, again pb.DeletePrefixAnswer
	req := &pb.DeletePrefixRequest{Call: s.call(), Bucket: "bucket", Prefix: "gone/"}
	g.must(protocol.PathPrefixDelete, req, &began)
	g.eventually("the delete has begun", func() bool { return g.prefixJob(began.Job).Objects > 0 })
	g.stop(slices.Index(g.servers, g.leader()))
	middle := g.prefixJob(began.Job)
	if middle.State != "running" {
		t.Fatalf("the delete ended before the leader changed: %v", middle)
	}
	g.must(protocol.PathPrefixDelete, req, &again)
	if again.Job.GetCounter() != began.Job.GetCounter() {
		t.Errorf("the same call began %v, then %v", began.Job, again.Job)
	}
	g.must(protocol.PathCommit, s.commitInline("gone/late", []byte("x")), &pb.CommitAnswer{})
	slow = 0
	g.must(protocol.PathWorkSet, &pb.WorkSetRequest{TranquilityPercent: &slow}, &pb.WorkSetAnswer{})
	g.eventually("the delete ends", func() bool { return g.prefixJob(began.Job).State == "done" })
	if j := g.prefixJob(began.Job); j.Objects != objects {
		t.Errorf("%d objects ended, not %d", j.Objects, objects)
	}
	if n := g.counters(); n.Objects != 11 || n.PrefixJobs != 0 {
		t.Errorf("%d objects are left, not 11", n.Objects)
	}
	g.audited(began.Job, objects)
}

// audited: the audit names each object of a delete once, and who asked.
func (g *group) audited(job *pb.Version, objects int) {
	g.t.Helper()
	q := &pb.AuditRequest{Bucket: "bucket"}
	named := map[string]bool{}
	for more := true; more; {
		var ans pb.AuditAnswer
		g.must(protocol.PathAudit, q, &ans)
		for _, row := range ans.Rows {
			for _, o := range row.Objects {
				if row.Request != "leader" || row.Causes[0].GetCounter() != job.GetCounter() || named[o.Name] {
					g.t.Fatalf("%s ended by %v", o.Name, row)
				}
				named[o.Name] = true
			}
		}
		q.After, q.AfterSequence, more = ans.Next, ans.NextSequence, ans.More
	}
	if len(named) != objects {
		g.t.Errorf("the audit names %d objects, not %d", len(named), objects)
	}
}

// BenchmarkDuringDelete commits small objects while a prefix of 200,000 others is
// being deleted, and while an object of 100,000 blocks is, and without either, in
// one run. It reports percentiles and their ratios.
func BenchmarkDuringDelete(b *testing.B) {
	g := startGroup(b, 3, realTiming)
	// All copies stand, so that no other work is due.
	nodes := []*node{g.register(), g.register(), g.register()}
	const objects, pages = 200_000, 100
	g.fill("gone/", objects)
	g.large("large", pages, nodes)
	s := g.session()
	before := g.commitsFor("before", func() bool { return true })
	report := func(what string, during []time.Duration) {
		for _, p := range []int{50, 99} {
			x, y := percentile(before, p), percentile(during, p)
			b.ReportMetric(float64(y.Microseconds()), fmt.Sprintf("µs-p%d-%s", p, what))
			b.ReportMetric(float64(y)/float64(x), fmt.Sprintf("p%d-ratio-%s", p, what))
		}
	}
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(percentile(before, p).Microseconds()), fmt.Sprintf("µs-p%d-without", p))
	}
	var began pb.DeletePrefixAnswer
	begun := time.Now()
	g.must(protocol.PathPrefixDelete, &pb.DeletePrefixRequest{Call: s.call(), Bucket: "bucket", Prefix: "gone/"}, &began)
	report("prefix", g.commitsFor("prefix", func() bool { return g.counters().PrefixJobs == 0 }))
	b.ReportMetric(objects/time.Since(begun).Seconds(), "objects/s")
	begun = time.Now()
	g.must(protocol.PathDelete, &pb.DeleteRequest{Call: s.call(), Bucket: "bucket", Items: []*pb.DeleteItem{{Name: "large"}}}, &pb.DeleteAnswer{})
	report("large", g.commitsFor("large", func() bool { return g.counters().UnreferenceJobs == 0 }))
	b.ReportMetric(pages*protocol.MaxBlocksPerPage/time.Since(begun).Seconds(), "references/s")
}

// large commits an object of so many full pages of new blocks.
func (g *group) large(name string, pages int, nodes []*node) {
	g.t.Helper()
	s := g.session()
	var made pb.UploadCreateAnswer
	g.must(protocol.PathUploadCreate, &pb.UploadCreateRequest{Call: s.call(), Bucket: "bucket"}, &made)
	size := uint64(0)
	for page := range pages {
		blocks, claims := g.blocks(protocol.MaxBlocksPerPage, nodes...)
		for _, n := range blocks.PlainSizes {
			size += uint64(n)
		}
		g.must(protocol.PathUploadAppend, &pb.UploadAppendRequest{Call: s.call(), Upload: made.Upload, Page: uint32(page), Blocks: blocks, Claims: claims}, &pb.UploadAppendAnswer{})
	}
	g.must(protocol.PathCommit, &pb.CommitRequest{Call: s.call(), Bucket: "bucket", Name: name, Upload: made.Upload, Size: size}, &pb.CommitAnswer{})
}

// commitsFor commits from a few sessions, each as soon as the one before is
// answered, until ended says so, and returns how long each took. Before the deletes
// it is a number of commits.
func (g *group) commitsFor(prefix string, ended func() bool) []time.Duration {
	g.t.Helper()
	const lanes, least = 8, 4000
	var mu sync.Mutex
	var took []time.Duration
	done := make(chan struct{})
	var all sync.WaitGroup
	for lane := range lanes {
		s := g.session()
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				req := s.commitInline(fmt.Sprintf("load/%s-%d-%d", prefix, lane, i), []byte("sixteen bytes!!!"))
				begun := time.Now()
				if err := g.try(protocol.PathCommit, req, &pb.CommitAnswer{}); err != nil {
					g.t.Error(err)
					return
				}
				mu.Lock()
				took = append(took, time.Since(begun))
				mu.Unlock()
			}
		})
	}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(took) }
	g.waitFor(func() bool { return ended() && (prefix != "before" || count() >= least) })
	close(done)
	all.Wait()
	slices.Sort(took)
	return took
}

// waitFor is eventually for what takes minutes.
func (g *group) waitFor(fn func() bool) {
	g.t.Helper()
	for end := time.Now().Add(10 * generous); !fn(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			g.t.Fatal("it does not end")
		}
	}
}

func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}
