package state

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/placement"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// A table is balanced, moves little and uses the zones well for the redundancy that
// it was made for and for no other: the first two places of three are neither. So a
// layout has a table for each redundancy that any bucket has asked for. A block is
// placed by the table of its own R.

// tableFor is the table that blocks of a redundancy stand by, as Layout.table has it.
func tableFor(l *record.Layout, redundancy uint32) (table []byte, width int) {
	if own := ownTable(l, redundancy); own != nil {
		return own.Table, int(own.Width)
	}
	return l.GetTable(), int(l.GetWidth())
}

// ownTable is the table that a layout has for a redundancy beside the cluster's; nil
// if there is none.
func ownTable(l *record.Layout, redundancy uint32) *record.OwnTable {
	for _, own := range l.GetOwn() {
		if own.Redundancy == redundancy {
			return own
		}
	}
	return nil
}

// ownRedundancies are those that need a table beside the cluster's, ascending.
func ownRedundancies(c *record.Cluster) (out []uint32) {
	for r := uint32(1); r <= protocol.MaxRedundancy; r++ {
		if c.AskedRedundancies>>r&1 == 1 && r != c.Settings.GetRedundancy() {
			out = append(out, r)
		}
	}
	return out
}

// ownTables makes the tables beside table, which follows from main, each from the one
// that l has.
func ownTables(c *record.Cluster, l *record.Layout, main placement.Input, table placement.Table) (out []*record.OwnTable) {
	for _, r := range ownRedundancies(c) {
		out = append(out, makeOwn(r, ownTable(l, r), main, table))
	}
	return out
}

// makeOwn makes the table of a redundancy beside table, which follows from main: it
// moves least from the one of before. The first one differs least from the cluster's,
// since buckets share blocks.
func makeOwn(redundancy uint32, before *record.OwnTable, main placement.Input, table placement.Table) *record.OwnTable {
	in := main
	in.Redundancy, in.Previous, in.PreviousRedundancy = int(redundancy), table, main.Redundancy
	if before != nil && main.Previous.Width > 0 {
		in.Previous, in.PreviousRedundancy = unpackTable(before.Table, before.Width), int(redundancy)
	}
	own := placement.Compute(in)
	return &record.OwnTable{Redundancy: redundancy, Width: uint32(own.Width), Table: packTable(own)}
}

// haveOwn: a layout has just the tables that buckets ask for.
func haveOwn(c *record.Cluster, l *record.Layout) bool {
	return slices.EqualFunc(ownRedundancies(c), l.GetOwn(), func(r uint32, own *record.OwnTable) bool { return own.Redundancy == r })
}

// ask has the layout get a table of a bucket's redundancy. The others stay, so it
// is the same layout still, and nothing moves.
func (a *applier) ask(redundancy uint32) {
	if redundancy == 0 || a.cluster.AskedRedundancies>>redundancy&1 == 1 {
		return
	}
	a.cluster.AskedRedundancies |= 1 << redundancy
	at, needed := slices.BinarySearch(ownRedundancies(a.cluster), redundancy)
	if !needed {
		return
	}
	l := a.m.layout
	main := inputFor(a.cluster, l, sitesOf(a.m.nodes), a.cluster.Settings.Redundancy)
	l.Own = slices.Insert(l.Own, at, makeOwn(redundancy, nil, main, tableOf(l)))
	a.store(keyLayout(), l)
}

// digestOf names all tables of a layout: the digest of the cluster's alone; with
// others, BLAKE3-256 of that, and of each other's redundancy (32 bits, big endian)
// and digest.
func digestOf(l *record.Layout) protocol.Hash {
	digest := placement.Digest(tableOf(l))
	if len(l.Own) == 0 {
		return digest
	}
	plain := digest[:]
	for _, own := range l.Own {
		digest := placement.Digest(unpackTable(own.Table, own.Width))
		plain = append(binary.BigEndian.AppendUint32(plain, own.Redundancy), digest[:]...)
	}
	return protocol.HashOf(plain)
}

// LayoutDigest names the tables of the present layout, as a plan and ChangeLayout do.
func LayoutDigest(r Reader) (protocol.Hash, error) {
	l, err := LayoutRow(r)
	if err != nil {
		return protocol.Hash{}, err
	}
	return digestOf(l), nil
}

// layoutTables tells of the tables beside the cluster's.
func layoutTables(l *record.Layout) (out []*pb.LayoutTable) {
	for _, own := range l.Own {
		out = append(out, &pb.LayoutTable{Redundancy: own.Redundancy, Width: own.Width, Table: unpackTable(own.Table, own.Width).Places})
	}
	return out
}

// packTable and unpackTable are a table's places as rows have them: the nodes as
// uint32, big endian.
func packTable(t placement.Table) []byte {
	out := make([]byte, 0, len(t.Places)*placeSize)
	for _, node := range t.Places {
		out = binary.BigEndian.AppendUint32(out, node)
	}
	return out
}

func unpackTable(table []byte, width uint32) placement.Table {
	t := placement.Table{Width: int(width), Places: make([]uint32, len(table)/placeSize)}
	for i := range t.Places {
		t.Places[i] = placeAt(table, i)
	}
	return t
}

// checkOwnTables: there is one for each redundancy that buckets ask for.
func checkOwnTables(w *world) error {
	if w.cluster.AskedRedundancies&1 != 0 || bits.Len32(w.cluster.AskedRedundancies) > protocol.MaxRedundancy+1 {
		return broken("layout", "redundancies %b were asked for", w.cluster.AskedRedundancies)
	}
	if !haveOwn(w.cluster, w.layout) {
		return broken("layout", "it has %d tables of their own, and redundancies %d are asked for", len(w.layout.Own), ownRedundancies(w.cluster))
	}
	for _, b := range w.buckets {
		if r := b.row.Redundancy; r > 0 && w.cluster.AskedRedundancies>>r&1 == 0 {
			return broken("layout", "bucket %s asks for redundancy %d, of which nothing is known", b.key, r)
		}
	}
	for _, own := range w.layout.Own {
		if err := checkTable(w, own.Table, int(own.Width)); err != nil {
			return err
		}
	}
	return nil
}
