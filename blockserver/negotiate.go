package blockserver

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// wanted is what a reader's headers ask for.
type wanted struct {
	// zstd: the stored frames. Never together with a span.
	zstd bool
	// span is the Range header, empty for all of the content.
	span string
	// notModified: the reader has it already.
	notModified bool
}

// readWanted reads Range, If-Range, If-None-Match and Accept-Encoding (RFC 9110,
// sections 12.5.3, 13.1 and 14.2). A range is one of plain bytes, whatever coding
// is accepted.
func readWanted(header *fasthttp.RequestHeader, h protocol.Hash) wanted {
	tag := etag(h)
	w := wanted{span: string(header.Peek(fasthttp.HeaderRange))}
	if condition := header.Peek(fasthttp.HeaderIfRange); len(condition) > 0 && string(condition) != tag {
		w.span = ""
	}
	w.zstd = w.span == "" && acceptsZstd(header.Peek(fasthttp.HeaderAcceptEncoding))
	w.notModified = hasTag(string(header.Peek(fasthttp.HeaderIfNoneMatch)), tag)
	return w
}

// hasTag reports whether an If-None-Match list names tag, weakly or not.
func hasTag(list, tag string) bool {
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if item == "*" || strings.TrimPrefix(item, "W/") == tag {
			return true
		}
	}
	return false
}

// acceptsZstd reports whether an Accept-Encoding list names zstd with a weight
// above zero. "*" does not count: nobody gets a coding they did not name.
func acceptsZstd(list []byte) bool {
	for item := range bytes.SplitSeq(list, []byte(",")) {
		name, params, _ := bytes.Cut(item, []byte(";"))
		if !bytes.EqualFold(bytes.TrimSpace(name), []byte("zstd")) {
			continue
		}
		weight, found := bytes.CutPrefix(bytes.ToLower(bytes.TrimSpace(params)), []byte("q="))
		if !found {
			return len(bytes.TrimSpace(params)) == 0
		}
		q, err := strconv.ParseFloat(string(weight), 64)
		return err == nil && q > 0 && q <= 1
	}
	return false
}

// span is a range of plain bytes, both ends included.
type span struct{ first, last int }

func (s *span) contentRange(size int) string {
	return fmt.Sprintf("bytes %d-%d/%d", s.first, s.last, size)
}

// parseRange reads a Range header against content of size bytes. nil means all
// of it: no range, another unit, several ranges, or not well formed, all of
// which RFC 9110, section 14.2, lets a server ignore. RangeInvalid means that it
// is one range and lies outside.
func parseRange(header string, size int) (*span, error) {
	set, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return nil, nil
	}
	from, to, ok := strings.Cut(strings.TrimSpace(set), "-")
	if !ok {
		return nil, nil
	}
	if from == "" {
		n, ok := digits(to)
		if !ok {
			return nil, nil
		}
		if n == 0 || size == 0 {
			return nil, outside(header, size)
		}
		return &span{size - min(n, size), size - 1}, nil
	}
	first, ok := digits(from)
	last, okLast := size-1, true
	if to != "" {
		last, okLast = digits(to)
	}
	switch {
	case !ok || !okLast || (to != "" && last < first):
		return nil, nil
	case first >= size:
		return nil, outside(header, size)
	}
	return &span{first, min(last, size-1)}, nil
}

// digits reads a decimal number; one too large for any block is as good as any
// other that is.
func digits(s string) (int, bool) {
	const most = 18
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	s = strings.TrimLeft(s, "0")
	if len(s) > most {
		s = strings.Repeat("9", most)
	}
	if s == "" {
		return 0, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

func outside(header string, size int) error {
	return protocol.Errorf(protocol.RangeInvalid, "the range %s lies outside the block's %d bytes", protocol.Quote(header), size)
}
