package state_test

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// work makes a command of reclamation, mostly one that a leader and the nodes
// would send.
func (g *generator) work() *record.Command {
	switch g.draw(20) {
	case 0, 1, 2, 3:
		return &record.Command{Body: &record.Command_Condemn{Condemn: &record.Condemn{Hashes: g.blocks().Hashes}}}
	case 4, 5, 6, 7, 8:
		return g.deleted()
	case 9:
		return &record.Command{Body: &record.Command_Drop{Drop: &record.Drop{Items: g.copies(nil)}}}
	case 10, 11:
		return g.lost()
	case 12, 13:
		return g.reap()
	case 14:
		return g.inventory()
	case 15:
		return g.removeNode()
	case 16:
		return g.cleanNode()
	case 17:
		return g.postpone()
	case 18:
		return g.retry()
	}
	return g.settings()
}

func (g *generator) present() *pb.Version { return versionPB(g.m.Version()) }

func (g *generator) cluster() *record.Cluster {
	c, err := state.ClusterRow(g.m.table)
	if err != nil {
		g.m.tb.Fatal(err)
	}
	return c
}

// row is the record of some block, nil if it has none.
func (g *generator) row() (hash []byte, b *record.Block) {
	hash = blocksOf(g.name("block", someBlocks)).Hashes
	b, _, err := state.BlockRow(g.m.table, protocol.Hash(hash))
	if err != nil {
		g.m.tb.Fatal(err)
	}
	return hash, b
}

// copies names some nodes of some blocks.
func (g *generator) copies(v *pb.Version) (items []*record.NodeBlock) {
	for range 1 + g.draw(3) {
		hash, _ := g.row()
		items = append(items, &record.NodeBlock{Hash: hash, Node: uint32(1 + g.draw(len(g.incarnation)+1)), Version: v})
	}
	return items
}

// deleted acknowledges orders that stand, of before, or never made.
func (g *generator) deleted() *record.Command {
	q := &record.Deleted{}
	for range 1 + g.draw(3) {
		hash, b := g.row()
		order := g.order(hash, b)
		item := &record.DeletedItem{Order: order}
		if g.chance(40) {
			v := protocol.Version{Generation: 1, Counter: order.Version.Counter + uint64(g.draw(5)) - 1}
			item.Kept = &pb.Ack{Hash: hash, Node: order.Node, Incarnation: g.incarnation[order.Node], Ack: uint64(g.draw(50)), Version: versionPB(v), PlainSize: 100, StoredSize: 60}
			if g.chance(10) {
				item.Kept.Incarnation++
			}
		}
		q.Items = append(q.Items, item)
	}
	return &record.Command{Body: &record.Command_Deleted{Deleted: q}}
}

func (g *generator) order(hash []byte, b *record.Block) *record.NodeBlock {
	order := &record.NodeBlock{Hash: hash, Node: uint32(1 + g.draw(len(g.incarnation)+1)), Version: g.present()}
	switch pending, drops := b.GetPending(), b.GetDrops(); {
	case g.chance(10):
	case len(pending) > 0:
		order.Node, order.Version = pending[g.draw(len(pending))], b.Floor
	case len(drops) > 0:
		d := drops[g.draw(len(drops))]
		order.Node, order.Version = d.Node, &pb.Version{Generation: d.Generation, Counter: d.Counter}
	}
	return order
}

// lost reports counted copies, sometimes as they were before.
func (g *generator) lost() *record.Command {
	q := &record.Lost{}
	for range 1 + g.draw(2) {
		hash, b := g.row()
		item := &record.NodeBlock{Hash: hash, Node: 1, Version: g.present()}
		if copies := b.GetCopies(); len(copies) > 0 {
			c := copies[g.draw(len(copies))]
			item.Node, item.Version = c.Node, &pb.Version{Generation: c.Generation, Counter: c.Counter - uint64(g.draw(10)/9)}
		}
		q.Items = append(q.Items, item)
	}
	return &record.Command{Body: &record.Command_Lost{Lost: q}}
}

func (g *generator) reap() *record.Command {
	upto := g.present()
	upto.Counter -= min(upto.Counter-1, uint64(g.draw(12)))
	if g.chance(5) {
		upto.Counter += 20
	}
	return &record.Command{Body: &record.Command_Reap{Reap: &record.Reap{Upto: upto, Hashes: g.blocks().Hashes}}}
}

// nodes lists the numbers of those that fit.
func (g *generator) nodes(fits func(*record.Node) bool) (ids []uint32) {
	nodes, err := state.Nodes(g.m.table)
	if err != nil {
		g.m.tb.Fatal(err)
	}
	for i, n := range nodes {
		if fits(n) {
			ids = append(ids, uint32(i+1))
		}
	}
	return ids
}

func (g *generator) inventory() *record.Command {
	q := &record.InventoryTaken{Node: 1, Due: g.present()}
	if due := g.nodes(func(n *record.Node) bool { return n.InventoryDue != nil }); len(due) > 0 && g.chance(90) {
		q.Node = due[g.draw(len(due))]
		nodes, _ := state.Nodes(g.m.table)
		q.Due = nodes[q.Node-1].InventoryDue
	}
	return &record.Command{Body: &record.Command_InventoryTaken{InventoryTaken: q}}
}

// removeNode leaves enough nodes to go on with.
func (g *generator) removeNode() *record.Command {
	q := &record.RemoveNode{Node: uint32(1 + g.draw(len(g.incarnation)+1)), AcceptLoss: g.chance(30)}
	if g.members <= someNodes {
		q.Node = 1000
	}
	return &record.Command{Body: &record.Command_RemoveNode{RemoveNode: q}}
}

func (g *generator) cleanNode() *record.Command {
	q := &record.CleanNode{Node: 1, Count: uint32(1 + g.draw(3))}
	dirty := g.nodes(func(n *record.Node) bool { return n.State == pb.NodeState_NODE_STATE_REMOVED && !n.Cleaned })
	if len(dirty) > 0 {
		q.Node = dirty[g.draw(len(dirty))]
		nodes, _ := state.Nodes(g.m.table)
		q.Cursor = nodes[q.Node-1].CleanCursor
	}
	if g.chance(10) {
		q.Cursor, _ = g.row()
	}
	return &record.Command{Body: &record.Command_CleanNode{CleanNode: q}}
}

// rows lists the schedule.
func (g *generator) rows() (rows []state.DueWork) {
	if err := state.ScanWork(g.m.table, 0, func(w state.DueWork) bool { rows = append(rows, w); return true }); err != nil {
		g.m.tb.Fatal(err)
	}
	return rows
}

func (g *generator) postpone() *record.Command {
	q := &record.Postpone{}
	rows := g.rows()
	for range 1 + g.draw(3) {
		hash, _ := g.row()
		item := &record.PostponeItem{Class: state.ClassDelete, Lane: 1, Hash: hash, DueUnixMs: int64(g.draw(100)), Cause: 17, Detail: "detail"}
		if len(rows) > 0 {
			w := rows[g.draw(len(rows))]
			item.Class, item.Lane, item.Hash, item.IfAttempts = w.Class, w.Lane, w.Hash[:], w.Attempts
		}
		q.Items = append(q.Items, item)
	}
	return &record.Command{Body: &record.Command_Postpone{Postpone: q}}
}

func (g *generator) retry() *record.Command {
	q := &record.RetryNow{Class: uint32(1 + g.draw(6)), Limit: uint32(1 + g.draw(3))}
	if rows := g.rows(); len(rows) > 0 && g.chance(50) {
		w := rows[g.draw(len(rows))]
		q.Hash = w.Hash[:]
		if g.chance(50) {
			q.Class = 0
		}
	}
	return &record.Command{Body: &record.Command_RetryNow{RetryNow: q}}
}

func (g *generator) settings() *record.Command {
	q := &record.PutSettings{Settings: &record.Settings{Redundancy: 3, Quorum: 2, GraceMs: uint64(g.draw(2) * 50)}, IfVersion: g.cluster().SettingsVersion}
	q.Settings.AuditKeepRows = uint32(g.draw(3) * 7)
	if g.draw(4) == 0 {
		q.Settings.PausedClasses = 1 << state.PausedNames // holds nothing of this generation
	}
	switch g.draw(4) {
	case 0:
		q.Settings.Redundancy = 2
	case 1:
		q.Settings.Quorum = 1
	}
	return &record.Command{Body: &record.Command_PutSettings{PutSettings: q}}
}
