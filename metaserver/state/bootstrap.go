package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// firstGeneration is the generation of a cluster that was never restored.
const firstGeneration = 1

func checkBootstrap(q *record.Bootstrap) error {
	if err := checkID("a cluster", q.Cluster); err != nil {
		return err
	}
	return checkSettings(q.Settings)
}

// bootstrap gives the cluster its id, its settings and its first version. It
// happens once; every other command before it is Unavailable.
func (a *applier) bootstrap(q *record.Bootstrap) *record.Result {
	if !a.version().IsZero() {
		return a.refuse(protocol.PreconditionFailed, "the cluster is bootstrapped already")
	}
	c := a.cluster
	c.Cluster = q.Cluster
	c.Generation = firstGeneration
	version := toPB(a.next())
	c.First, c.SettingsVersion = version, version
	c.Settings = plainSettings(q.Settings)
	c.Counters = newCounters()
	a.relayout(LayoutJoined, 0, c.Settings.Redundancy)
	return a.done()
}
