package link

import (
	"encoding/binary"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// HelloSize is the fixed length of a Hello in bytes.
const HelloSize = 88

// maxID bounds a member's id inside a Hello.
const maxID = 63

// helloFormat is the version of the layout, and of what follows it.
const helloFormat = 1

// magic opens every Hello.
const magic = "ASHR"

// Role says what a connection is for. Numbers are sent: for ever.
type Role uint8

// The roles of the raft port.
const (
	// RoleRaft carries hashicorp/raft's calls.
	RoleRaft Role = 1
	// RoleTerm carries TermRequests.
	RoleTerm Role = 2
	// RoleMark carries one Mark, from the answering end.
	RoleMark Role = 3
)

// Status is the answering end's verdict. Numbers are sent: for ever.
type Status uint8

// The verdicts. A caller's own Hello says StatusOK.
const (
	StatusOK Status = 0
	// StatusWrongCluster: the caller belongs to another cluster, or to none.
	StatusWrongCluster Status = 1
	// StatusNotReady: this end does not know its cluster yet.
	StatusNotReady Status = 2
	// StatusBusy: this end holds as many connections as it may.
	StatusBusy Status = 3
	// StatusUnsupported: an unknown role or format.
	StatusUnsupported Status = 4
	// StatusRemoved: this end leads the group, and the caller is no member of it.
	StatusRemoved Status = 5
)

// Hello opens a connection, in both directions:
//
//	offset size
//	     0    4  "ASHR"
//	     4    1  format, 1
//	     5    1  role
//	     6    1  status
//	     7    1  length of the member id, 1 to 63
//	     8   16  cluster id
//	    24   64  member id, padded with zeros
type Hello struct {
	Role    Role
	Status  Status
	Cluster protocol.ID
	// ID is the sender's member id.
	ID string
}

// Append appends the layout above. The id must be of 1 to 63 bytes.
func (h Hello) Append(b []byte) []byte {
	var out [HelloSize]byte
	copy(out[:], magic)
	out[4], out[5], out[6], out[7] = helloFormat, byte(h.Role), byte(h.Status), byte(min(len(h.ID), maxID))
	copy(out[8:24], h.Cluster[:])
	copy(out[24:24+maxID], h.ID)
	return append(b, out[:]...)
}

// ParseHello reads exactly what Append writes: Unsupported for another format,
// InvalidArgument for anything else that differs.
func ParseHello(b []byte) (Hello, error) {
	if len(b) != HelloSize || string(b[:4]) != magic {
		return Hello{}, protocol.Errorf(protocol.InvalidArgument, "raft port: not a hello")
	}
	if b[4] != helloFormat {
		return Hello{}, protocol.Errorf(protocol.Unsupported, "raft port: hello of format %d, this is %d", b[4], helloFormat)
	}
	n := int(b[7])
	if n == 0 || n > maxID || !zero(b[24+n:]) {
		return Hello{}, protocol.Errorf(protocol.InvalidArgument, "raft port: hello with a broken member id")
	}
	return Hello{Role: Role(b[5]), Status: Status(b[6]), Cluster: protocol.ID(b[8:24]), ID: string(b[24 : 24+n])}, nil
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// termRequestSize and termAnswerSize are the lengths of the term role's messages.
const (
	termRequestSize = 8
	termAnswerSize  = 32
)

// TermAnswer is what a member says about itself, at one moment after the
// question arrived. As sent, big endian:
//
//	sequence uint64 │ term uint64 │ last log index uint64 │ applied index uint64
//
// A question is its sequence alone.
type TermAnswer struct {
	// Term is the member's current term: it has voted in none that is higher.
	Term uint64
	// LastLog is the index of its last log entry, Applied of the last one that it
	// has handed to its state.
	LastLog, Applied uint64
}

func appendTermAnswer(b []byte, seq uint64, a TermAnswer) []byte {
	b = binary.BigEndian.AppendUint64(b, seq)
	b = binary.BigEndian.AppendUint64(b, a.Term)
	b = binary.BigEndian.AppendUint64(b, a.LastLog)
	return binary.BigEndian.AppendUint64(b, a.Applied)
}

func parseTermAnswer(b []byte) (seq uint64, a TermAnswer) {
	return binary.BigEndian.Uint64(b), TermAnswer{
		Term:    binary.BigEndian.Uint64(b[8:]),
		LastLog: binary.BigEndian.Uint64(b[16:]),
		Applied: binary.BigEndian.Uint64(b[24:]),
	}
}
