package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// row is a message that stands in the table. None has a map, so that encoding
// one twice gives the same bytes.
type row interface {
	MarshalVT() ([]byte, error)
	UnmarshalVT([]byte) error
}

// load reads the row at key into out, which must be empty.
func load(r Reader, key []byte, out row) (bool, error) {
	value, ok, err := r.Get(key)
	if err != nil || !ok {
		return false, err
	}
	return true, decode(key, value, out)
}

func decode(key, value []byte, out row) error {
	if err := out.UnmarshalVT(value); err != nil {
		return protocol.Errorf(protocol.Corrupt, "the row at key %x is damaged: %w", key, err)
	}
	return nil
}

// scanRows decodes each row of a table's prefix into a new message.
func scanRows[T any, PT interface {
	*T
	row
}](r Reader, prefix []byte, fn func(key []byte, r PT) bool) error {
	return scanRowsBetween(r, prefix, keysAbove(prefix), fn)
}

// scanRowsBetween is scanRows for the keys of [lower, upper).
func scanRowsBetween[T any, PT interface {
	*T
	row
}](r Reader, lower, upper []byte, fn func(key []byte, r PT) bool) error {
	var failed error
	err := r.Scan(lower, upper, func(key, value []byte) bool {
		out := PT(new(T))
		if failed = decode(key, value, out); failed != nil {
			return false
		}
		return fn(key, out)
	})
	if err != nil {
		return err
	}
	return failed
}

// load is the tx's: a failure sticks, and reads as absence.
func (t *tx) load(key []byte, out row) bool {
	ok, err := load(t, key, out)
	if err != nil {
		t.fail(err)
	}
	return ok && err == nil
}

func (t *tx) store(key []byte, r row) {
	value, err := r.MarshalVT()
	if err != nil {
		t.fail(err)
		return
	}
	t.put(key, value)
}

func toPB(v protocol.Version) *pb.Version {
	return &pb.Version{Generation: v.Generation, Counter: v.Counter}
}

// fromPB reads a missing version as the zero one.
func fromPB(v *pb.Version) protocol.Version {
	return protocol.Version{Generation: v.GetGeneration(), Counter: v.GetCounter()}
}

func versionOf(c *record.Cluster) protocol.Version {
	return protocol.Version{Generation: c.Generation, Counter: c.Counter}
}
