package blockserver

import (
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func TestAcceptsZstd(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]bool{
		"": false, "zstd": true, "ZSTD": true, "gzip, zstd": true, "zstd;q=0": false, "zstd; q=0.001": true, "zstd;Q=1": true,
		"zstd;q=2": false, "zstd;q=x": false, "zstdx": false, "*": false, "gzip;q=1,zstd;q=0.0": false, "zstd;level=3": false, "zstd;": true,
	} {
		if got := acceptsZstd([]byte(list)); got != want {
			t.Errorf("%q: %v", list, got)
		}
	}
}

func TestBlockHash(t *testing.T) {
	t.Parallel()
	h := protocol.HashOf(nil)
	good := protocol.PathBlocks + "/" + h.String()
	if got, err := blockHash([]byte(good)); err != nil || got != h {
		t.Errorf("%v, %v", got, err)
	}
	for _, target := range []string{
		"", "/", "/v1/blocks", "/v1/blocks/", good[:len(good)-1], good + "0", good + "?", good + "?a=b", good + "/", good + "%00",
		strings.ToUpper(good), "/v1/blocks/..%2f..%2fetc%2fpasswd", "/v1/blocks//" + h.String(), "http://x" + good, " " + good,
		strings.Replace(good, "/v1", "/v1/.", 1), "/v1/blocks/" + strings.Repeat("g", 64),
	} {
		if _, err := blockHash([]byte(target)); protocol.KindOf(err) != protocol.InvalidArgument {
			t.Errorf("%q: %v", target, err)
		}
	}
}

// FuzzBlockHash: whatever is accepted is the one spelling of its hash.
func FuzzBlockHash(f *testing.F) {
	f.Add([]byte(protocol.PathBlocks + "/" + protocol.HashOf(nil).String()))
	f.Add([]byte(protocol.PathBlocks + "/..%2f" + strings.Repeat("a", 58)))
	f.Fuzz(func(t *testing.T, target []byte) {
		h, err := blockHash(target)
		if err == nil && string(target) != protocol.PathBlocks+"/"+h.String() {
			t.Errorf("accepted %q as %s", target, h)
		}
	})
}

// FuzzRange: whatever is accepted lies inside the content, and nothing is
// accepted of no content.
func FuzzRange(f *testing.F) {
	f.Add("bytes=0-1", 10)
	f.Add("bytes=-5", 3)
	f.Add("bytes=99999999999999999999-", 0)
	f.Fuzz(func(t *testing.T, header string, size int) {
		size = max(0, size%(protocol.MaxBlockSize+1))
		part, err := parseRange(header, size)
		if err != nil && (part != nil || protocol.KindOf(err) != protocol.RangeInvalid) {
			t.Errorf("%q of %d: %v, %v", header, size, part, err)
		}
		if part != nil && (part.first < 0 || part.first > part.last || part.last >= size) {
			t.Errorf("%q of %d: %d-%d", header, size, part.first, part.last)
		}
	})
}

// FuzzHeaders: no list breaks the readers of lists.
func FuzzHeaders(f *testing.F) {
	f.Add("gzip;q=0.1, zstd;q=0", `"a", W/"b"`)
	f.Fuzz(func(t *testing.T, encodings, tags string) {
		acceptsZstd([]byte(encodings))
		if hasTag(tags, `"x"`) && !strings.Contains(tags, `"x"`) && !strings.Contains(tags, "*") {
			t.Errorf("%q has no such tag", tags)
		}
		if n, err := parsePlainSize(encodings); err == nil && (n < 0 || n > protocol.MaxBlockSize) {
			t.Errorf("%q: %d", encodings, n)
		}
	})
}
