package protocol

import (
	"bytes"
	"encoding/hex"

	"github.com/zeebo/blake3"
)

// HashSize is the length of a Hash in bytes.
const HashSize = 32

// Hash names a block by the BLAKE3-256 digest of its plain bytes
// (https://github.com/BLAKE3-team/BLAKE3-specs). The zero Hash names nothing.
type Hash [HashSize]byte

// HashOf returns the hash of plain.
func HashOf(plain []byte) Hash { return blake3.Sum256(plain) }

// ParseHash reads the one accepted spelling of a hash: exactly 64 lower-case
// hexadecimal digits. Anything else is InvalidArgument.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*HashSize {
		return Hash{}, Errorf(InvalidArgument, "a hash is %d lower-case hexadecimal digits, not %d characters", 2*HashSize, len(s))
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return Hash{}, Errorf(InvalidArgument, "a hash has only the digits 0-9 and a-f; %q stands at position %d", c, i)
		}
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, Errorf(InvalidArgument, "hash: %v", err)
	}
	return h, nil
}

// HashFromBytes copies exactly HashSize bytes; another length is InvalidArgument.
func HashFromBytes(b []byte) (Hash, error) {
	if len(b) != HashSize {
		return Hash{}, Errorf(InvalidArgument, "a hash has %d bytes, not %d", HashSize, len(b))
	}
	return Hash(b), nil
}

// String returns the 64 lower-case hexadecimal digits that ParseHash reads.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Short returns the first 12 digits, for people.
func (h Hash) Short() string { return hex.EncodeToString(h[:6]) }

// IsZero reports whether h is the zero Hash, which names nothing.
func (h Hash) IsZero() bool { return h == Hash{} }

// Compare orders hashes as their bytes.
func (h Hash) Compare(o Hash) int { return bytes.Compare(h[:], o[:]) }

// Verify returns a HashMismatch error unless plain hashes to h.
func (h Hash) Verify(plain []byte) error {
	if got := HashOf(plain); got != h {
		return Errorf(HashMismatch, "bytes hash to %s, not to %s", got, h)
	}
	return nil
}

// MarshalText makes a Hash print as its digits in JSON.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText is ParseHash.
func (h *Hash) UnmarshalText(text []byte) (err error) {
	*h, err = ParseHash(string(text))
	return err
}

// Hasher computes the Hash of a stream. It is not safe for concurrent use.
type Hasher struct{ inner *blake3.Hasher }

// NewHasher returns an empty Hasher.
func NewHasher() *Hasher { return &Hasher{inner: blake3.New()} }

// Write adds plain bytes; it never fails.
func (h *Hasher) Write(p []byte) (int, error) { return h.inner.Write(p) }

// Sum returns the Hash of what was written so far.
func (h *Hasher) Sum() Hash {
	var out Hash
	h.inner.Sum(out[:0])
	return out
}
