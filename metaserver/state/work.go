package state

import (
	"encoding/binary"
	"math"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// The classes of work that the schedule index lists, most urgent first
// (system.md, Orders). Numbers are persisted in keys and never change meaning.
const (
	// ClassRedundancy: a live block with fewer than R counted copies; a lane is
	// the number of copies. Copies on suspect and removed nodes count until an
	// inventory, or cleaning, has taken them out.
	ClassRedundancy uint32 = 1
	// ClassMove: a sweep found the block out of line with the placement; a lane is
	// the number of copies on nodes that count for it.
	ClassMove uint32 = 2
	// ClassDelete: a node has not acknowledged a condemnation or a drop; a lane is
	// the node.
	ClassDelete uint32 = 3
	// ClassCondemn: an unreferenced block, due when its grace ends; lane 0.
	ClassCondemn uint32 = 4
	// ClassReap: a condemned block with nothing pending; lane 0.
	ClassReap uint32 = 5
	// ClassScrub is reserved for reading what nobody reads.
	ClassScrub uint32 = 6

	classEnd uint32 = 7

	// PausedNames is no class of the index. Its bit among the paused classes holds
	// what ends objects without anybody asking now: deletes of prefixes that were
	// begun before this generation (IsHeld), and the emptying of the trash when its
	// time has come.
	PausedNames uint32 = 7

	pausedEnd uint32 = 8
)

// HeldByRestore are the classes that are paused when metadata was restored, until
// an operator resumes them: all that takes names or bytes away.
const HeldByRestore = 1<<ClassDelete | 1<<ClassCondemn | 1<<ClassReap | 1<<PausedNames

// IsPaused tells whether the settings pause a class, or PausedNames.
func IsPaused(c *record.Cluster, class uint32) bool {
	return c.GetSettings().GetPausedClasses()>>class&1 == 1
}

// DueWork is one row of the schedule index: work that a block record implies.
type DueWork struct {
	Class, Lane uint32
	Hash        protocol.Hash
	// Attempts counts the failures since the row came to be; Cause is the last
	// one's protocol.Kind and Detail its text.
	Attempts, Cause uint32
	Detail          string
	// DueUnixMs is when to try, by the clock of whoever drew it; 0 is at once.
	DueUnixMs int64
}

// Place is where a lane's scan goes on: behind the row with this due time and
// hash. The zero Place is the lane's beginning.
type Place struct {
	DueUnixMs int64
	Hash      protocol.Hash
}

// Due lists up to limit rows of a lane that are due by now, behind after: by due
// time, those never postponed first, then by hash. With math.MaxInt64 it lists
// what is not due as well.
func Due(r Reader, class, lane uint32, now int64, after Place, limit int) ([]DueWork, error) {
	if now < 0 || limit <= 0 {
		return nil, nil
	}
	prefix := keyLane(class, lane)
	lower, upper := prefix, keysAbove(prefix)
	if after != (Place{}) {
		lower = append(keyWork(work{class, lane}, after.DueUnixMs, after.Hash[:]), 0)
	}
	if now < math.MaxInt64 {
		upper = binary.BigEndian.AppendUint64(keyLane(class, lane), uint64(now)+1)
	}
	var out []DueWork
	err := scanWork(r, lower, upper, func(w DueWork) bool {
		out = append(out, w)
		return len(out) < limit
	})
	return out, err
}

// Lanes lists the lanes of a class that have rows, ascending: one seek each.
func Lanes(r Reader, class uint32) ([]uint32, error) {
	var lanes []uint32
	lower, upper := []byte{tableWork, byte(class)}, keysAbove([]byte{tableWork, byte(class)})
	for lower != nil {
		var next []byte
		err := scanWork(r, lower, upper, func(w DueWork) bool {
			lanes = append(lanes, w.Lane)
			next = keysAbove(keyLane(class, w.Lane))
			return false
		})
		if err != nil {
			return nil, err
		}
		lower = next
	}
	return lanes, nil
}

// ScanWork shows the rows of a class, 0 for all classes, by class, lane, due time
// and hash, until fn returns false.
func ScanWork(r Reader, class uint32, fn func(w DueWork) bool) error {
	prefix := []byte{tableWork}
	if class != 0 {
		prefix = append(prefix, byte(class))
	}
	return scanWork(r, prefix, keysAbove(prefix), fn)
}

func scanWork(r Reader, lower, upper []byte, fn func(w DueWork) bool) error {
	var failed error
	err := r.Scan(lower, upper, func(key, value []byte) bool {
		var w DueWork
		if w, failed = decodeWork(key, value); failed != nil {
			return false
		}
		return fn(w)
	})
	if err == nil {
		err = failed
	}
	return err
}

// WorkOf returns the row of a block in one lane; false if it has none.
func WorkOf(r Reader, h protocol.Hash, class, lane uint32) (DueWork, bool, error) {
	due, err := dueOf(r, work{class, lane}, h[:])
	if err != nil {
		return DueWork{}, false, err
	}
	key := keyWork(work{class, lane}, due, h[:])
	value, ok, err := r.Get(key)
	if err != nil || !ok {
		return DueWork{}, false, err
	}
	w, err := decodeWork(key, value)
	return w, err == nil, err
}

// WorkAbout lists the rows of one block, by class and lane.
func WorkAbout(r Reader, h protocol.Hash) ([]DueWork, error) {
	b, ok, err := BlockRow(r, h)
	if err != nil || !ok {
		return nil, err
	}
	cluster, err := ClusterRow(r)
	if err != nil {
		return nil, err
	}
	var out []DueWork
	for _, implied := range worksOf(b, thresholdsFor(cluster, h[:]).of(b), nil) {
		w, ok, err := WorkOf(r, h, implied.class, implied.lane)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, w)
		}
	}
	return out, nil
}

// BlockRow returns the block record of h; nil and false where there is none.
func BlockRow(r Reader, h protocol.Hash) (*record.Block, bool, error) {
	b := &record.Block{}
	ok, err := load(r, keyBlock(h[:]), b)
	if err != nil || !ok {
		return nil, false, err
	}
	return b, true, nil
}

// ScanBlocks shows up to limit block records with hashes above after, in hash
// order, until fn returns false.
func ScanBlocks(r Reader, after protocol.Hash, limit int, fn func(h protocol.Hash, b *record.Block) bool) error {
	if limit <= 0 {
		return nil
	}
	lower, seen := append(keyBlock(after[:]), 0), 0
	return scanRowsBetween(r, lower, keysAbove([]byte{tableBlocks}), func(key []byte, b *record.Block) bool {
		seen++
		return fn(protocol.Hash(key[1:]), b) && seen < limit
	})
}

// Nodes returns the nodes by number, those removed included: Nodes()[i] is node
// i+1.
func Nodes(r Reader) ([]*record.Node, error) { return readNodes(r) }
