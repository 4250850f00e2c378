package replica

import (
	"context"
	"testing"
	"time"
)

// A voter that answers and lags, as while it installs a long snapshot, keeps nobody
// from joining: the request's time is not all spent on its hearing of the new voter,
// which it does later.
func TestAMemberJoinsBesideALaggingVoter(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, func(cfg *Config) {
		// Nobody stands for election of itself in this test's time.
		cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLeaseTimeout = 2*patience, 2*patience, 2*patience
	})
	l := g.leader()
	lagging := g.others(l)[0]
	release := g.net.hold(l.name, lagging)
	defer release()
	until(t, "a member lags", func() bool {
		g.put("key", "value")
		here, _ := l.logs.LastIndex()
		there, _ := lagging.logs.LastIndex()
		return there < here
	})
	fresh := g.add("fresh")
	fresh.start()
	if err := fresh.Adopt(g.cluster); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"joins", "joins again"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := l.AddMember(ctx, fresh.name, fresh.address); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if ctx.Err() != nil {
			t.Errorf("%s: no time is left for what follows", what)
		}
		cancel()
	}
	if !fresh.votes(l) || fresh.votes(lagging) {
		t.Errorf("the new voter is one to the leader: %v, to the member that lags: %v", fresh.votes(l), fresh.votes(lagging))
	}
	release()
	g.put("key", "another value")
	until(t, "the member that lagged knows the new voter", func() bool { return fresh.votes(lagging) })
	g.same()
}
