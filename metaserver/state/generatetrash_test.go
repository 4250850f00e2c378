package state_test

import (
	"math"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// trash makes a command of buckets and trash.
func (g *generator) trash() *record.Command {
	switch g.draw(8) {
	case 0, 1:
		return g.putBucket()
	case 2, 3, 4:
		return g.emptyTrash()
	}
	return g.undelete()
}

// putBucket turns the trash on more often than off.
func (g *generator) putBucket() *record.Command {
	answer, err := state.Bucket(g.m.table, &pb.BucketGetRequest{Bucket: "random"})
	if err != nil {
		g.m.tb.Fatal(err)
	}
	q := &record.PutBucket{Bucket: "random", TrashKeepMs: uint64(g.draw(4) * 30), IfVersion: answer.Bucket.Version}
	if g.chance(70) {
		q.Redundancy = uint32(g.draw(protocol.MaxRedundancy + 1))
	}
	if g.chance(10) {
		q.IfVersion = g.present()
	}
	return &record.Command{Body: &record.Command_PutBucket{PutBucket: q}}
}

// trashed is some object of the trash, nil if there is none.
func (g *generator) trashed() *pb.TrashedObject {
	list, err := state.TrashList(g.m.table, &pb.TrashListRequest{Bucket: "random"})
	if err != nil {
		g.m.tb.Fatal(err)
	}
	if len(list.Objects) == 0 {
		return nil
	}
	return list.Objects[g.draw(len(list.Objects))]
}

func (g *generator) undelete() *record.Command {
	q := &pb.UndeleteRequest{Call: g.call(60), Bucket: "random", Name: g.name("name", someNames), Precondition: g.precondition()}
	if t := g.trashed(); t != nil && g.chance(80) {
		q.Name = t.Object.Name
		if g.chance(60) {
			q.Version = t.Object.Version
		}
	}
	if g.chance(40) {
		q.Precondition = &pb.Precondition{}
	}
	if g.chance(5) {
		q.Version = g.present()
	}
	return &record.Command{Body: &record.Command_Undelete{Undelete: q}}
}

// emptyTrash takes what is there, what was there, and what is due at another time.
func (g *generator) emptyTrash() *record.Command {
	q := &record.EmptyTrash{IfGeneration: uint32(g.draw(3))}
	for range 1 + g.draw(3) {
		item := &record.TrashItem{Bucket: "random", Name: g.name("name", someNames), Version: g.present(), IfDueUnixMs: 1}
		if t := g.trashed(); t != nil {
			item.Name, item.Version, item.IfDueUnixMs = t.Object.Name, t.Object.Version, t.DueUnixMs
		}
		if g.chance(10) {
			item.IfDueUnixMs++
		}
		q.Items = append(q.Items, item)
	}
	return &record.Command{Body: &record.Command_EmptyTrash{EmptyTrash: q}}
}

// trashSeeds are commands about what is in the trash of m.
func trashSeeds(tb testing.TB, m *machine) []*record.Command {
	tb.Helper()
	items, err := state.DueTrash(m.table, math.MaxInt64-1, 1)
	if err != nil || len(items) == 0 {
		tb.Fatal("nothing is in the trash", err)
	}
	undelete := &pb.UndeleteRequest{Bucket: items[0].Bucket, Name: items[0].Name, Version: items[0].Version}
	return []*record.Command{
		{Body: &record.Command_EmptyTrash{EmptyTrash: &record.EmptyTrash{Items: items}}},
		{Body: &record.Command_Undelete{Undelete: undelete}},
	}
}
