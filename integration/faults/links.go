package faults

import (
	"context"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/integration/proxy"
)

const (
	// latency and its spread, each way, are what a link over land has.
	latency, latencySpread = 75 * time.Millisecond, 50 * time.Millisecond
	// everyAnswer and everyRequest say how many go well between two that do not.
	everyAnswer, everyRequest = 5, 3
)

// links are the faults of section B that a link needs to be understood or
// delayed for. They need members behind proxies.
func links(c *cluster.Cluster) []Fault {
	if len(c.Members()[0].Proxies) == 0 {
		return nil
	}
	return []Fault{
		through(c, "delay-everything", every, func(p *proxy.Proxy) { p.Delay(latency, latencySpread) }),
		through(c, "lose-answers", serving, func(p *proxy.Proxy) { p.LoseAnswers(everyAnswer) }),
		through(c, "send-requests-twice", serving, func(p *proxy.Proxy) { p.SendTwice(everyRequest) }),
		through(c, "reset-connections", every, (*proxy.Proxy).Reset),
	}
}

// every are the proxies of all ports of a member; serving is the one of the port
// that clients use, a blockserver's only one.
func every(m *cluster.Member) []*proxy.Proxy   { return m.Proxies }
func serving(m *cluster.Member) []*proxy.Proxy { return m.Proxies[:1] }

// through does something to the chosen proxies of all members.
func through(c *cluster.Cluster, name string, choose func(*cluster.Member) []*proxy.Proxy, how func(*proxy.Proxy)) Fault {
	return &fault{name: name, cluster: c, inject: func(_ context.Context, f *fault) error {
		for _, m := range c.Members() {
			for _, p := range choose(m) {
				f.undoes(func(context.Context) error {
					p.Heal()
					return nil
				})
				how(p)
			}
		}
		return nil
	}}
}
