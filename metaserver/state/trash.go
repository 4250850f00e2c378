package state

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// The trash keeps objects that have ended, with their references, until a command
// takes them out: Undelete, or EmptyTrash. To reclamation an object there is like
// any other. Its due time is data, drawn from the clock of who proposed its end; it
// says when the leader tries to empty it, and apply never compares it with a clock.

// keyTrash names a trashed object by the version that it had.
func keyTrash(bucket, name string, v protocol.Version) []byte {
	key := append(append(keyTrashName(bucket, name), 0), v.AppendBinary(nil)...)
	complement(key[len(key)-protocol.VersionSize:])
	return key
}

// keyTrashName begins the keys of the names that begin with name; with a zero byte
// behind it, those of the versions of name.
func keyTrashName(bucket, name string) []byte {
	key := append(make([]byte, 0, 3+len(bucket)+len(name)+protocol.VersionSize), tableTrash)
	return append(append(append(key, bucket...), 0), name...)
}

func complement(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

// splitTrashKey undoes keyTrash, whatever the letter; neither a bucket nor a name
// has a zero byte.
func splitTrashKey(key []byte) (bucket, name string, v protocol.Version, err error) {
	names := len(key) - 1 - protocol.VersionSize
	middle := 1 + bytes.IndexByte(key[1:], 0)
	if middle < 1 || middle >= names || key[names] != 0 {
		return "", "", v, protocol.Errorf(protocol.Corrupt, "the key %x of the trash is damaged", key)
	}
	version := bytes.Clone(key[names+1:])
	complement(version)
	v, err = protocol.VersionFromBytes(version)
	return string(key[1:middle]), string(key[middle+1 : names]), v, err
}

// trashDueSize is the letter and the due time of a key of the index by due time.
const trashDueSize = 1 + 8

// keyTrashDue needs a due time that is not negative.
func keyTrashDue(due int64, trashKey []byte) []byte {
	key := append(make([]byte, 0, 8+len(trashKey)), tableTrashDue)
	return append(binary.BigEndian.AppendUint64(key, uint64(due)), trashKey[1:]...)
}

// trashDue is when an object of the bucket that ends now is to go, by the
// proposer's clock; 0: the bucket has no trash.
func (a *applier) trashDue(bucket string) int64 {
	row := &record.Bucket{}
	if !a.load(keyBucket(bucket), row) || row.TrashKeepMs == 0 {
		return 0
	}
	now := max(a.nowUnixMs, 0)
	if row.TrashKeepMs > uint64(math.MaxInt64-now) {
		return math.MaxInt64
	}
	return now + int64(row.TrashKeepMs)
}

// trash and untrash put an object into the trash and take it out.
func (a *applier) trash(bucket, name string, t *record.Trashed) {
	key := keyTrash(bucket, name, fromPB(objectOf(t).Version))
	countTrashed(a.cluster.Counters, t, 1)
	a.store(key, t)
	a.put(keyTrashDue(t.DueUnixMs, key), nil)
}

func (a *applier) untrash(key []byte, t *record.Trashed) {
	countTrashed(a.cluster.Counters, t, ^uint64(0))
	a.delete(key)
	a.delete(keyTrashDue(t.DueUnixMs, key))
}

// objectOf is the object that a row of the trash holds; an empty one in a row that
// is damaged, which every check finds.
func objectOf(t *record.Trashed) *record.Object {
	if t.Object == nil {
		return &record.Object{}
	}
	return t.Object
}

// countTrashed adds sign times a trashed object.
func countTrashed(c *pb.Counters, t *record.Trashed, sign uint64) {
	c.TrashObjects += sign
	c.TrashLogicalBytes += sign * objectOf(t).Size
	c.TrashInlineBytes += sign * uint64(len(objectOf(t).Inline))
}

// DueTrash returns the first limit trashed objects that are due at now, the longest
// due first: what EmptyTrash is made of.
func DueTrash(r Reader, nowUnixMs int64, limit int) ([]*record.TrashItem, error) {
	if nowUnixMs < 0 {
		return nil, nil
	}
	var items []*record.TrashItem
	var failed error
	upper := binary.BigEndian.AppendUint64([]byte{tableTrashDue}, uint64(nowUnixMs)+1)
	err := r.Scan([]byte{tableTrashDue}, upper, func(key, _ []byte) bool {
		if len(items) >= limit {
			return false
		}
		if len(key) < trashDueSize {
			failed = protocol.Errorf(protocol.Corrupt, "the key %x of the trash is damaged", key)
			return false
		}
		item := &record.TrashItem{IfDueUnixMs: int64(binary.BigEndian.Uint64(key[1:]))}
		var v protocol.Version
		item.Bucket, item.Name, v, failed = splitTrashKey(key[trashDueSize-1:])
		item.Version = toPB(v)
		items = append(items, item)
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	return items, err
}
