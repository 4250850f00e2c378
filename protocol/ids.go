package protocol

import (
	"encoding/hex"
	"strconv"
)

// ID is 128 random bits, printed as 32 lower-case hexadecimal digits. It names
// what must never be confused with another of its kind: a cluster, a disk, a
// node's identity, a session, an upload. The zero ID names nothing.
type ID [16]byte

// String returns the 32 digits that ParseID reads.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// ParseID reads exactly 32 lower-case hexadecimal digits; anything else is
// InvalidArgument.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) {
		return ID{}, Errorf(InvalidArgument, "an id is %d lower-case hexadecimal digits, not %q", 2*len(id), s)
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil || id.String() != s {
		return ID{}, Errorf(InvalidArgument, "an id is %d lower-case hexadecimal digits, not %q", 2*len(id), s)
	}
	return id, nil
}

// IDFromBytes copies exactly 16 bytes; another length is InvalidArgument.
func IDFromBytes(b []byte) (ID, error) {
	var id ID
	if len(b) != len(id) {
		return ID{}, Errorf(InvalidArgument, "an id has %d bytes, not %d", len(id), len(b))
	}
	copy(id[:], b)
	return id, nil
}

// MarshalText makes an ID print as its digits in JSON.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseID.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// NodeID numbers a blockserver. The log gives it out at the node's first
// Register entry, from 1 upwards, and never gives it out again.
type NodeID uint32

// String prints the decimal number.
func (n NodeID) String() string { return strconv.FormatUint(uint64(n), 10) }

// Incarnation counts the starts of a node: each Register entry raises it. A
// claim of an earlier incarnation is as if not said.
type Incarnation uint64
