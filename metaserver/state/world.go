package state

import (
	"bytes"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// world is a whole table, decoded, as the invariants of check.go look at it.
// Every list is in key order.
type world struct {
	cluster        *record.Cluster
	layout         *record.Layout
	layouts        []keyed[keptLayout]
	sweeps         []keyed[*record.Sweep]
	blocks         []keyed[*record.Block]
	nodes          []keyed[*record.Node]
	objects        []keyed[*record.Object]
	uploads        []keyed[*record.Upload]
	pages          []keyed[*record.UploadPage]
	jobs           []keyed[*record.Job]
	sessions       []keyed[*record.Session]
	results        []keyed[*record.Result]
	members        []keyed[*record.MetaMember]
	identities     []keyed[[]byte]
	sessionUploads []keyed[[]byte]
	buckets        []keyed[*record.Bucket]
	trash          []keyed[*record.Trashed]
	trashDues      []keyed[[]byte]
	works          []DueWork
	prefixJobs     []keyed[*record.PrefixJob]
	audit          []keyed[*pb.AuditRow]
	// dues are the rows of 'w'.
	dues []keyed[[]byte]
}

// keyed is a row with its key, the table's letter cut off.
type keyed[T any] struct {
	key []byte
	row T
}

// readWorld decodes every row. A row that cannot be decoded, is not the bytes
// that encoding it gives, or has a key of no table is an error.
func readWorld(r Reader) (*world, error) {
	w := &world{cluster: &record.Cluster{}, layout: &record.Layout{}}
	var failed error
	err := r.Scan([]byte{0}, nil, func(key, value []byte) bool {
		failed = w.add(slices.Clone(key), value)
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	return w, err
}

// add decodes a row; value is valid during the call.
func (w *world) add(key, value []byte) error {
	switch id := key[1:]; key[0] {
	case tableBlocks:
		return addRow(&w.blocks, key, value, protocol.HashSize)
	case tableBuckets:
		return addRow(&w.buckets, key, value, len(id))
	case tableAudit:
		return addRow(&w.audit, key, value, protocol.VersionSize+4)
	case tablePrefixJobs:
		return addRow(&w.prefixJobs, key, value, protocol.VersionSize)
	case tableCluster:
		return decodeExactly(key, value, w.cluster)
	case tableIdentities:
		w.identities = append(w.identities, keyed[[]byte]{id, slices.Clone(value)})
	case tableJobs:
		return addRow(&w.jobs, key, value, protocol.VersionSize)
	case tableLayouts:
		return w.addKept(key, value)
	case tableSweeps:
		return addRow(&w.sweeps, key, value, 8)
	case tableLayout:
		return decodeExactly(key, value, w.layout)
	case tableMetaMembers:
		return addRow(&w.members, key, value, len(id))
	case tableNodes:
		return addRow(&w.nodes, key, value, 4)
	case tableObjects:
		return addRow(&w.objects, key, value, len(id))
	case tablePages:
		return addRow(&w.pages, key, value, 16+8)
	case tableResults:
		return addRow(&w.results, key, value, 16+8)
	case tableSessions:
		return addRow(&w.sessions, key, value, 16)
	case tableTrash:
		return addRow(&w.trash, key, value, len(id))
	case tableTrashDue:
		w.trashDues = append(w.trashDues, keyed[[]byte]{id, slices.Clone(value)})
	case tableUploads:
		return addRow(&w.uploads, key, value, 16)
	case tableWork:
		return w.addWork(key, value)
	case tableWorkDue:
		w.dues = append(w.dues, keyed[[]byte]{id, slices.Clone(value)})
	case tableSessionUploads:
		w.sessionUploads = append(w.sessionUploads, keyed[[]byte]{id, slices.Clone(value)})
	default:
		return broken("rows", "key %x belongs to no table", key)
	}
	return nil
}

func (w *world) addWork(key, value []byte) error {
	row, err := decodeWork(key, value)
	w.works = append(w.works, row)
	if err == nil && len(value) > 0 {
		err = decodeExactly(key, value, &record.Work{})
	}
	return err
}

func addRow[T any, PT interface {
	*T
	row
}](list *[]keyed[PT], key, value []byte, size int) error {
	if len(key) != 1+size {
		return broken("rows", "key %x should have %d bytes after its table's letter", key, size)
	}
	out := PT(new(T))
	*list = append(*list, keyed[PT]{key[1:], out})
	return decodeExactly(key, value, out)
}

func decodeExactly(key, value []byte, out row) error {
	if err := decode(key, value, out); err != nil {
		return err
	}
	again, err := out.MarshalVT()
	if err == nil && !bytes.Equal(again, value) {
		return broken("rows", "the row at key %x is not in canonical form", key)
	}
	return err
}

// get finds a row by key, the table's letter cut off.
func get[T any](list []keyed[T], key []byte) (out T, ok bool) {
	at, ok := slices.BinarySearchFunc(list, key, func(k keyed[T], key []byte) int { return bytes.Compare(k.key, key) })
	if ok {
		out = list[at].row
	}
	return out, ok
}

// below returns the rows whose keys begin with prefix.
func below[T any](list []keyed[T], prefix []byte) []keyed[T] {
	from, _ := slices.BinarySearchFunc(list, prefix, func(k keyed[T], key []byte) int { return bytes.Compare(k.key, key) })
	to := from
	for to < len(list) && bytes.HasPrefix(list[to].key, prefix) {
		to++
	}
	return list[from:to]
}
