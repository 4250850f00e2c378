package state

import (
	"encoding/binary"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// The first byte of a key names its table. Numbers are big endian, so that keys
// sort as what they stand for.
//
//	'L' version uint64               record.Layout, those before
//	'S' number uint64                record.Sweep
//	'b' hash                         record.Block
//	'c'                              record.Cluster
//	'i' identity                     node uint32
//	'j' version(12)                  record.Job
//	'l'                              record.Layout, the present one
//	'm' id                           record.MetaMember
//	'n' node uint32                  record.Node
//	'o' bucket 0x00 name             record.Object
//	'p' upload(16) end uint64        record.UploadPage; end: of its bytes, in the object
//	'q' class byte lane uint32 due uint64 hash   record.Work: the schedule index
//	'r' session(16) sequence uint64  record.Result, without its detail
//	's' session(16)                  record.Session
//	'u' upload(16)                   record.Upload
//	'v' session(16) upload(16)       nothing: the uploads that a session has open
//	'w' hash class byte lane uint32  due uint64, of rows of 'q' whose due is not 0
//
// The schedule index is derived from the block records, at most one row for each
// hash, class and lane (work.go). A page is found by any offset in it with one seek: its key is the first above.
const (
	tableLayouts        = 'L'
	tableSweeps         = 'S'
	tableBlocks         = 'b'
	tableCluster        = 'c'
	tableIdentities     = 'i'
	tableJobs           = 'j'
	tableLayout         = 'l'
	tableMetaMembers    = 'm'
	tableNodes          = 'n'
	tableObjects        = 'o'
	tablePages          = 'p'
	tableWork           = 'q'
	tableResults        = 'r'
	tableSessions       = 's'
	tableUploads        = 'u'
	tableSessionUploads = 'v'
	tableWorkDue        = 'w'
)

func keyBlock(hash []byte) []byte {
	return append(append(make([]byte, 0, 1+protocol.HashSize), tableBlocks), hash...)
}

func keyCluster() []byte { return []byte{tableCluster} }

func keyLayout() []byte { return []byte{tableLayout} }

func keyLayoutAt(version uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{tableLayouts}, version)
}

func keySweep(number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{tableSweeps}, number)
}

func keyID(table byte, id []byte) []byte {
	return append(append(make([]byte, 0, 1+len(id)), table), id...)
}

func keyIdentity(id []byte) []byte { return keyID(tableIdentities, id) }

func keySession(id []byte) []byte { return keyID(tableSessions, id) }

func keyUpload(id []byte) []byte { return keyID(tableUploads, id) }

func keyMetaMember(id string) []byte { return keyID(tableMetaMembers, []byte(id)) }

func keyJob(v protocol.Version) []byte {
	return v.AppendBinary(append(make([]byte, 0, 1+protocol.VersionSize), tableJobs))
}

func keyNode(id uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{tableNodes}, id)
}

func keyResult(session []byte, sequence uint64) []byte {
	return keyIDNumber(tableResults, session, sequence)
}

func keyPage(upload []byte, end uint64) []byte { return keyIDNumber(tablePages, upload, end) }

func keyIDNumber(table byte, id []byte, number uint64) []byte {
	key := append(append(make([]byte, 0, 1+len(id)+8), table), id...)
	return binary.BigEndian.AppendUint64(key, number)
}

func keySessionUpload(session, upload []byte) []byte {
	key := append(make([]byte, 0, 1+len(session)+len(upload)), tableSessionUploads)
	return append(append(key, session...), upload...)
}

// keyLane begins the keys of one lane.
func keyLane(class, lane uint32) []byte {
	key := append(make([]byte, 0, workKeySize), tableWork, byte(class))
	return binary.BigEndian.AppendUint32(key, lane)
}

// keyWork needs a due time that is not negative.
func keyWork(w work, due int64, hash []byte) []byte {
	return append(binary.BigEndian.AppendUint64(keyLane(w.class, w.lane), uint64(due)), hash...)
}

func keyWorkDue(w work, hash []byte) []byte {
	key := append(make([]byte, 0, 1+protocol.HashSize+1+4), tableWorkDue)
	key = append(append(key, hash...), byte(w.class))
	return binary.BigEndian.AppendUint32(key, w.lane)
}

func keyObject(bucket, name string) []byte {
	key := append(make([]byte, 0, 2+len(bucket)+len(name)), tableObjects)
	return append(append(append(key, bucket...), 0), name...)
}

// splitObjectKey undoes keyObject; a bucket has no zero byte.
func splitObjectKey(key []byte) (bucket, name string) {
	for i := 1; i < len(key); i++ {
		if key[i] == 0 {
			return string(key[1:i]), string(key[i+1:])
		}
	}
	return string(key[1:]), ""
}

// keysAbove returns the first key above all that begin with prefix; nil if there
// is none.
func keysAbove(prefix []byte) []byte {
	above := append([]byte(nil), prefix...)
	for i := len(above) - 1; i >= 0; i-- {
		if above[i]++; above[i] != 0 {
			return above[:i+1]
		}
	}
	return nil
}
