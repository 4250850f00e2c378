package store_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/storetest"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

const (
	benchCopies = 3
	benchHands  = 8
	benchTurn   = 48
)

// BenchmarkPutAgainstPlainLoop puts random blocks into three stores, eight at
// once, and in turns with that does what has to be done at the very least:
// three temporary files, each synced, renamed, and its directory synced. The
// metric is the share of the plain loop's speed that the stores reach in the same
// run: ratios mean something on any machine, MB/s only on this one.
func BenchmarkPutAgainstPlainLoop(b *testing.B) {
	for _, size := range []int{protocol.DefaultBlockSize, 64 << 10, 4 << 10} {
		for _, zstd := range []bool{false, true} {
			b.Run("size="+strconv.Itoa(size)+"/zstd="+strconv.FormatBool(zstd), func(b *testing.B) {
				benchPut(b, size, zstd)
			})
		}
	}
}

func benchPut(b *testing.B, size int, zstd bool) {
	stores := benchStores(b)
	loop := plainLoop{dir: b.TempDir()}
	loop.prepare(b)
	var ours, plain time.Duration
	done := 0
	for b.Loop() {
		// Making and compressing blocks is the client's work and not counted.
		blocks := make([]store.PutRequest, benchTurn)
		for i := range blocks {
			body := storetest.Random(uint64(done+i), size)
			blocks[i] = store.PutRequest{Hash: protocol.HashOf(body), Version: protocol.Version{Generation: 1, Counter: 1}, Body: body, PlainSize: size}
			if zstd {
				blocks[i].Body, blocks[i].Zstd = storetest.Zstd(b, body), true
			}
		}
		done += benchTurn
		ours += atOnce(blocks, func(s int, r *store.PutRequest) error {
			_, err := stores[s].Put(b.Context(), *r)
			return err
		}, b)
		plain += atOnce(blocks, loop.put, b)
	}
	bytes := float64(done) * float64(size)
	b.ReportMetric(100*plain.Seconds()/ours.Seconds(), "%ofplain")
	b.ReportMetric(bytes/1e6/ours.Seconds(), "MB/s")
	b.ReportMetric(bytes/1e6/plain.Seconds(), "plainMB/s")
	b.ReportMetric(float64(done)/ours.Seconds(), "blocks/s")
}

func benchStores(b *testing.B) []*store.Store {
	stores := make([]*store.Store, benchCopies)
	for i := range stores {
		s, err := store.Open(store.Config{Dirs: []store.Dir{{Path: b.TempDir()}}})
		if err == nil {
			err = s.Adopt(protocol.ID{1}, protocol.NodeID(i+1), 1, []uint32{0})
		}
		if err != nil {
			b.Fatal(err)
		}
		stores[i] = s
		b.Cleanup(func() { _ = s.Close() })
	}
	return stores
}

// atOnce has eight hands take the blocks and put each into its three places.
func atOnce(blocks []store.PutRequest, put func(place int, r *store.PutRequest) error, b *testing.B) time.Duration {
	work := make(chan *store.PutRequest, len(blocks))
	for i := range blocks {
		work <- &blocks[i]
	}
	close(work)
	start := time.Now()
	var hands sync.WaitGroup
	for range benchHands {
		hands.Go(func() {
			for r := range work {
				var copies sync.WaitGroup
				for place := range benchCopies {
					copies.Go(func() {
						if err := put(place, r); err != nil {
							b.Error(err)
						}
					})
				}
				copies.Wait()
			}
		})
	}
	hands.Wait()
	return time.Since(start)
}

// plainLoop writes files as a careful shell script would.
type plainLoop struct{ dir string }

func (l plainLoop) prepare(b *testing.B) {
	for place := range benchCopies {
		for _, dir := range []string{"tmp", "data"} {
			if err := os.MkdirAll(filepath.Join(l.dir, strconv.Itoa(place), dir), 0o700); err != nil {
				b.Fatal(err)
			}
		}
		for top := range 256 {
			if err := os.MkdirAll(filepath.Join(l.dir, strconv.Itoa(place), "data", hex.EncodeToString([]byte{byte(top)})), 0o700); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func (l plainLoop) put(place int, r *store.PutRequest) error {
	root := filepath.Join(l.dir, strconv.Itoa(place))
	name := r.Hash.String()
	tmp, dir := filepath.Join(root, "tmp", name), filepath.Join(root, "data", name[:2])
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(r.Body); err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(tmp, filepath.Join(dir, name))
	}
	if err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// BenchmarkGet reads blocks that the system has in memory: as stored, and decoded
// and verified.
func BenchmarkGet(b *testing.B) {
	s := benchStores(b)[0]
	for _, size := range []int{4 << 10, protocol.DefaultBlockSize} {
		body := storetest.Random(1, size)
		h := protocol.HashOf(body)
		if _, err := s.Put(b.Context(), store.PutRequest{Hash: h, Body: body, PlainSize: size}); err != nil {
			b.Fatal(err)
		}
		for _, way := range []string{"stored", "plain"} {
			b.Run("size="+strconv.Itoa(size)+"/"+way, func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				var buf []byte
				for b.Loop() {
					blk, err := s.Get(b.Context(), h)
					if err == nil && way == "stored" {
						buf, err = blk.Stored(buf[:0])
					} else if err == nil {
						buf, err = blk.Plain(buf[:0])
					}
					if err != nil {
						b.Fatal(err)
					}
					_ = blk.Close()
				}
			})
		}
	}
}
