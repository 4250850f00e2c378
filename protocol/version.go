package protocol

import (
	"cmp"
	"encoding/binary"
	"strconv"
	"strings"
)

// VersionSize is the length of a Version in its binary form.
const VersionSize = 12

// Version is a value of the counter in the log (reclamation.md, Words). Every
// applied entry that changes state takes the next counter; a generation starts
// at bootstrap and at every restore of metadata. Versions are ordered by
// generation, then counter, and never go back. The zero Version is below all.
type Version struct {
	Generation uint32
	Counter    uint64
}

// Compare orders versions: -1, 0 or +1.
func (v Version) Compare(o Version) int {
	if c := cmp.Compare(v.Generation, o.Generation); c != 0 {
		return c
	}
	return cmp.Compare(v.Counter, o.Counter)
}

// Less reports whether v comes before o.
func (v Version) Less(o Version) bool { return v.Compare(o) < 0 }

// IsZero reports whether v is below every version ever given out.
func (v Version) IsZero() bool { return v == Version{} }

// Next returns the following version of the same generation.
func (v Version) Next() Version { return Version{v.Generation, v.Counter + 1} }

// Max returns the higher of v and o.
func (v Version) Max(o Version) Version {
	if v.Less(o) {
		return o
	}
	return v
}

// String prints "generation.counter", as in "1.4711".
func (v Version) String() string {
	return strconv.FormatUint(uint64(v.Generation), 10) + "." + strconv.FormatUint(v.Counter, 10)
}

// ParseVersion reads what String prints, and only that: no signs, no leading
// zeros. Anything else is InvalidArgument.
func ParseVersion(s string) (Version, error) {
	g, c, found := strings.Cut(s, ".")
	gen, err1 := strconv.ParseUint(g, 10, 32)
	counter, err2 := strconv.ParseUint(c, 10, 64)
	v := Version{uint32(gen), counter}
	if !found || err1 != nil || err2 != nil || v.String() != s {
		return Version{}, Errorf(InvalidArgument, "a version is written GENERATION.COUNTER, as in 1.4711, not %q", s)
	}
	return v, nil
}

// AppendBinary appends the fixed form:
//
//	generation uint32 │ counter uint64      (big endian, 12 bytes, ordered as bytes)
func (v Version) AppendBinary(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, v.Generation)
	return binary.BigEndian.AppendUint64(b, v.Counter)
}

// VersionFromBytes reads the fixed form; another length is InvalidArgument.
func VersionFromBytes(b []byte) (Version, error) {
	if len(b) != VersionSize {
		return Version{}, Errorf(InvalidArgument, "a version has %d bytes, not %d", VersionSize, len(b))
	}
	return Version{binary.BigEndian.Uint32(b), binary.BigEndian.Uint64(b[4:])}, nil
}

// MarshalText makes a Version print as a string in JSON.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText is ParseVersion.
func (v *Version) UnmarshalText(text []byte) (err error) {
	*v, err = ParseVersion(string(text))
	return err
}

// CheckGeneration returns InvalidArgument for a generation above MaxGeneration: no
// operator has started one, so nobody has met one.
func CheckGeneration(generation uint32) error {
	if generation > MaxGeneration {
		return Errorf(InvalidArgument, "a generation is at most %d, not %d", uint32(MaxGeneration), generation)
	}
	return nil
}
