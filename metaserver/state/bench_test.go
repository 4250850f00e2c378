package state_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// BenchmarkCommit commits objects of one new block each, with claims of three
// nodes under a session, in entries of so many commands.
func BenchmarkCommit(b *testing.B) {
	for _, batch := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			m := newMachine(b)
			m.unchecked = true
			m.bootstrap(3)
			sessions := make([]string, batch)
			for i := range sessions {
				sessions[i] = fmt.Sprintf("session %d", i)
				m.must(openSession(sessions[i]))
			}
			entries := make([][]byte, 0, b.N/batch+1)
			version := m.Version()
			for n := 0; n < b.N; n += batch {
				var commands []*record.Command
				for i := range batch {
					commands = append(commands, singleBlockCommit(n+i, m.call(sessions[i], uint64(n/batch+1), uint64(n/batch+1)), version))
				}
				entries = append(entries, encode(b, commands...))
			}
			b.ReportAllocs()
			b.ResetTimer()
			for _, entry := range entries {
				m.index++
				results, err := m.Apply(m.index, 1, entry)
				if err != nil || results[0].Kind != 0 {
					b.Fatal(err, results)
				}
			}
			b.ReportMetric(float64(len(entries)*batch)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

// BenchmarkLookup looks one-block objects up, among 100,000.
func BenchmarkLookup(b *testing.B) {
	disk, err := table.OpenPebble(table.PebbleConfig{Dir: filepath.Join(b.TempDir(), "table"), Create: true})
	if err != nil {
		b.Fatal(err)
	}
	defer disk.Close()
	for name, t := range map[string]state.Table{"memory": table.NewMemory(), "pebble": disk} {
		m := newMachineOn(b, t)
		m.unchecked = true
		m.bootstrap(3)
		m.must(openSession("s"))
		const objects = 100_000
		for n := range objects {
			m.must(singleBlockCommit(n, m.call("s", uint64(n+1), uint64(n+1)), m.Version()))
		}
		b.Run(name, func(b *testing.B) {
			view := t.View()
			defer view.Close()
			b.ReportAllocs()
			for n := range b.N {
				q := &pb.LookupRequest{Bucket: "bench", Name: fmt.Sprintf("some/where/object-%010d", n*7919%objects)}
				if answer, err := state.Lookup(view, q); err != nil || len(answer.Copies) != 3 {
					b.Fatal(err)
				}
			}
		})
	}
}

func singleBlockCommit(n int, call *pb.Call, u protocol.Version) *record.Command {
	return commitCommand(&pb.CommitRequest{
		Call: call, Bucket: "bench", Name: fmt.Sprintf("some/where/object-%010d", n), Size: 100,
		Digest: make([]byte, 32), ContentType: "application/octet-stream",
		Blocks: blocksOf(fmt.Sprint(n)), Claims: claimsOf(1, u, 1, 2, 3),
	})
}

// BenchmarkReclaim takes blocks through all of it in batches of 100: a commit with
// two claims, the third copy, the end of the object, Condemn, Deleted by each of
// three nodes, and Reap. It is told per block.
func BenchmarkReclaim(b *testing.B) {
	const batch = 100
	m := newMachine(b)
	m.unchecked = true
	m.bootstrap(3)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += batch {
		blocks := manyBlocks(fmt.Sprint(n, " "), batch)
		m.must(commitCommand(withBlocks(blocks, claimsOf(batch, m.Version(), 1, 2))))
		m.must(&record.Command{Body: &record.Command_Copied{Copied: &pb.ClaimsRequest{Blocks: blocks, Claims: claimsOf(batch, m.Version(), 3)}}})
		r := m.must(&record.Command{Body: &record.Command_Delete{Delete: &pb.DeleteRequest{Bucket: "limits", Items: []*pb.DeleteItem{{Name: "blocks"}}}}})
		m.must(&record.Command{Body: &record.Command_Unreference{Unreference: &record.Unreference{Steps: []*record.UnreferenceStep{{Job: r.Version, Count: batch}}}}})
		condemned := m.must(&record.Command{Body: &record.Command_Condemn{Condemn: &record.Condemn{Hashes: blocks.Hashes}}}).Version
		for node := range uint32(3) {
			q := &record.Deleted{}
			for i := range batch {
				q.Items = append(q.Items, &record.DeletedItem{Order: &record.NodeBlock{Hash: blocks.Hashes[32*i : 32*i+32], Node: node + 1, Version: condemned}})
			}
			m.must(&record.Command{Body: &record.Command_Deleted{Deleted: q}})
		}
		m.must(&record.Command{Body: &record.Command_Reap{Reap: &record.Reap{Upto: condemned, Hashes: blocks.Hashes}}})
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "blocks/s")
}

// BenchmarkCheck runs every invariant over the small world of the random tests.
func BenchmarkCheck(b *testing.B) {
	m := bootstrapped(b, someNodes)
	g := newGenerator(m, rand.New(rand.NewPCG(1, 0)).IntN)
	for range 500 {
		c := g.any()
		g.learn(c, m.one(c))
	}
	b.ResetTimer()
	for range b.N {
		m.check()
	}
}

// BenchmarkSweep looks at records in steps, most of which stand elsewhere. It
// is told per record.
func BenchmarkSweep(b *testing.B) {
	m := newMachine(b)
	m.unchecked = true
	m.bootstrap(4)
	const page = protocol.MaxBlocksPerPage
	for n := 0; n < max(b.N, page); n += page {
		m.must(commitCommand(withBlocks(manyBlocks(fmt.Sprint(n, " "), page), claimsOf(page, m.Version(), 1, 2, 3))))
	}
	m.change()
	b.ReportAllocs()
	b.ResetTimer()
	for {
		if _, s, err := state.RunningSweep(m.table); err != nil || s == nil || s.Walked {
			return
		}
		m.step(state.MaxBatch)
	}
}
