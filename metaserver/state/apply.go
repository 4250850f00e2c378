package state

import (
	"fmt"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// applier runs one entry. Rules are its methods: they read and judge first, then
// change, so that a refused command leaves nothing behind.
type applier struct {
	tx
	m       *Machine
	cluster *record.Cluster
	// dirty lists the nodes whose rows must be written, as indexes of m.nodes.
	dirty []int
	// nowUnixMs comes with the command: for people.
	nowUnixMs int64
	// asked is who the command came from, audited where its entry's audit stands.
	asked   asked
	audited audited
	// index is the entry's.
	index uint64
}

// Apply runs the commands of one log entry as one atomic batch, the applied
// index and term included, and returns a result for each. An entry at or below
// the applied index is skipped: nil, nil. An entry or command that cannot be
// understood has an error result, the same on every replica, and the index
// advances. A returned error is a failure of the table, a broken invariant or a
// digest that differs ([ErrDiverged]): nothing was written and the replica must
// stop.
func (m *Machine) Apply(index, term uint64, entry []byte) ([]*record.Result, error) {
	if m.failed != nil {
		return nil, m.failed
	}
	if index <= m.cluster.AppliedIndex {
		return nil, nil
	}
	a := &applier{tx: tx{base: m.table}, m: m, cluster: m.cluster, index: index}
	results := a.entry(entry)
	if err := a.finish(index, term); err != nil {
		m.failed = fmt.Errorf("state: entry %d: %w", index, err)
		return nil, m.failed
	}
	return results, nil
}

func (a *applier) entry(data []byte) []*record.Result {
	if len(data) > protocol.MaxEntrySize {
		return []*record.Result{a.refuse(protocol.TooLarge, "an entry has at most %d bytes; this one has %d", protocol.MaxEntrySize, len(data))}
	}
	var e record.Entry
	if err := e.UnmarshalVT(data); err != nil {
		return []*record.Result{a.refuse(protocol.Unsupported, "the entry cannot be decoded: %v", err)}
	}
	results := make([]*record.Result, len(e.Commands))
	for i, c := range e.Commands {
		results[i] = a.command(c)
	}
	return results
}

// command runs one command if the entry has room for what it may touch; Busy is
// not an outcome that a session keeps, so the client may send the same again.
func (a *applier) command(c *record.Command) *record.Result {
	if _, first := c.Body.(*record.Command_Bootstrap); !first && a.version().IsZero() {
		return a.refuse(protocol.Unavailable, "the cluster is not bootstrapped yet")
	}
	if err := Validate(c); err != nil {
		return a.refuseWith(err)
	}
	if a.rows()+len(a.dirty)+Rows(c)+protocol.SessionWindow > protocol.MaxEntryRows {
		return a.refuse(protocol.Busy, "the entry touches too many rows; send the request again")
	}
	if stopped(a.cluster, c) {
		return a.rolledBack()
	}
	a.nowUnixMs, a.asked = c.NowUnixMs, asked{request: requestOf(c.Request)}
	result := a.dispatch(c)
	a.settleSweep()
	return result
}

func (a *applier) dispatch(c *record.Command) *record.Result {
	switch body := c.Body.(type) {
	case *record.Command_Bootstrap:
		return a.bootstrap(body.Bootstrap)
	case *record.Command_OpenSession:
		return a.openSession(body.OpenSession)
	case *record.Command_CloseSession:
		return a.closeSession(body.CloseSession)
	case *record.Command_Commit:
		return a.once(body.Commit.Call, func() *record.Result { return a.commit(body.Commit) })
	case *record.Command_Delete:
		return a.once(body.Delete.Call, func() *record.Result { return a.deleteObjects(body.Delete) })
	case *record.Command_Undelete:
		return a.once(body.Undelete.Call, func() *record.Result { return a.undelete(body.Undelete) })
	case *record.Command_PutBucket:
		return a.putBucket(body.PutBucket)
	case *record.Command_DeletePrefix:
		return a.once(body.DeletePrefix.Call, func() *record.Result { return a.deletePrefix(body.DeletePrefix) })
	case *record.Command_CancelPrefixJob:
		return a.cancelPrefixJob(body.CancelPrefixJob)
	case *record.Command_CreateUpload:
		return a.once(body.CreateUpload.Call, func() *record.Result { return a.createUpload(body.CreateUpload) })
	case *record.Command_AppendUpload:
		return a.once(body.AppendUpload.Call, func() *record.Result { return a.appendUpload(body.AppendUpload) })
	case *record.Command_AbortUpload:
		return a.once(body.AbortUpload.Call, func() *record.Result { return a.abortUpload(body.AbortUpload) })
	case *record.Command_Unreference:
		return a.unreference(body.Unreference)
	case *record.Command_Copied:
		return a.copied(body.Copied)
	case *record.Command_Register:
		return a.register(body.Register)
	case *record.Command_PutMetaMember:
		return a.putMetaMember(body.PutMetaMember)
	case *record.Command_RemoveMetaMember:
		return a.removeMetaMember(body.RemoveMetaMember)
	case *record.Command_PutSettings:
		return a.putSettings(body.PutSettings)
	case *record.Command_MarkDigest:
		return a.markDigest()
	case *record.Command_CompareDigest:
		return a.compareDigest(body.CompareDigest)
	}
	return a.dispatchWork(c)
}

// dispatchWork is dispatch for what the leader proposes about blocks and nodes.
func (a *applier) dispatchWork(c *record.Command) *record.Result {
	switch body := c.Body.(type) {
	case *record.Command_EmptyTrash:
		return a.emptyTrash(body.EmptyTrash)
	case *record.Command_DeletePrefixStep:
		return a.deletePrefixStep(body.DeletePrefixStep)
	case *record.Command_Condemn:
		return a.condemn(body.Condemn)
	case *record.Command_Drop:
		return a.drop(body.Drop)
	case *record.Command_Deleted:
		return a.deleted(body.Deleted)
	case *record.Command_Reap:
		return a.reap(body.Reap)
	case *record.Command_Lost:
		return a.lost(body.Lost)
	case *record.Command_RemoveNode:
		return a.removeNode(body.RemoveNode)
	case *record.Command_CleanNode:
		return a.cleanNode(body.CleanNode)
	case *record.Command_Reindex:
		return a.reindex(body.Reindex)
	case *record.Command_StartGeneration:
		return a.startGeneration(body.StartGeneration)
	case *record.Command_InventoryTaken:
		return a.inventoryTaken(body.InventoryTaken)
	case *record.Command_Postpone:
		return a.postpone(body.Postpone)
	case *record.Command_RetryNow:
		return a.retryNow(body.RetryNow)
	}
	return a.dispatchPlacement(c)
}

// dispatchPlacement is dispatch for nodes, layout and sweeps.
func (a *applier) dispatchPlacement(c *record.Command) *record.Result {
	switch body := c.Body.(type) {
	case *record.Command_ChangeLayout:
		return a.changeLayout(body.ChangeLayout)
	case *record.Command_SetNodeState:
		return a.setNodeState(body.SetNodeState)
	case *record.Command_SweepStep:
		return a.sweepStep(body.SweepStep)
	case *record.Command_MoveSettled:
		return a.moveSettled(body.MoveSettled)
	case *record.Command_CancelSweep:
		return a.cancelSweep(body.CancelSweep)
	}
	return a.refuse(protocol.Unsupported, "this build does not know the command")
}

// finish writes everything the entry changed as one batch.
func (a *applier) finish(index, term uint64) error {
	for _, i := range a.dirty {
		a.store(keyNode(uint32(i+1)), a.m.nodes[i])
	}
	if a.err != nil {
		return a.err
	}
	beforeIndex, beforeTerm := a.cluster.AppliedIndex, a.cluster.AppliedTerm
	a.cluster.AppliedIndex, a.cluster.AppliedTerm = index, term
	a.store(keyCluster(), a.cluster)
	a.cluster.Digest = a.digest()
	a.store(keyCluster(), a.cluster)
	if a.err == nil {
		a.err = a.m.table.Write(a.sorted())
	}
	if a.err != nil {
		a.cluster.AppliedIndex, a.cluster.AppliedTerm = beforeIndex, beforeTerm
	}
	return a.err
}

// digest is BLAKE3-256 of the canonical form of what the entry changed, in which
// the cluster's row still holds the digest before.
func (a *applier) digest() []byte {
	a.m.canonical = a.appendCanonical(a.m.canonical[:0])
	sum := protocol.HashOf(a.m.canonical)
	return sum[:]
}

// version is the last one given out; next gives out the following one, to a
// command that changes state.
func (a *applier) version() protocol.Version { return versionOf(a.cluster) }

func (a *applier) next() protocol.Version {
	a.cluster.Counter++
	return a.version()
}

// done is the plain success of a command: nothing to say but the version.
func (a *applier) done() *record.Result { return &record.Result{Version: toPB(a.version())} }

func (a *applier) refuse(kind protocol.Kind, format string, args ...any) *record.Result {
	return &record.Result{Kind: uint32(kind), Detail: fmt.Sprintf(format, args...), Version: toPB(a.version())}
}

func (a *applier) refuseWith(err error) *record.Result {
	e := protocol.AsError(err)
	return &record.Result{Kind: uint32(e.Kind), Detail: e.Detail, Version: toPB(a.version())}
}
