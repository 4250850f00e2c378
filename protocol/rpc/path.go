package rpc

import (
	"bytes"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// splitTarget takes the target of a request line apart, raw: the path before
// the first '?', the query after it. Only the origin form of a plain path is
// accepted (RFC 9112, 3.2.1): no escapes, no dot segments, no empty segments, no
// fragment, no backslash, nothing outside printable ASCII.
func splitTarget(target []byte) (path, query []byte, err error) {
	if len(target) == 0 || target[0] != '/' {
		return nil, nil, protocol.Errorf(protocol.InvalidArgument, "a path begins with '/'")
	}
	if len(target) > MaxPath {
		return nil, nil, protocol.Errorf(protocol.TooLarge, "a path has at most %d bytes; this one has %d", MaxPath, len(target))
	}
	path = target
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		path, query = target[:i], target[i+1:]
	}
	for i, c := range path {
		switch {
		case !plainPathByte(c):
			return nil, nil, protocol.Errorf(protocol.InvalidArgument, "a path has letters, digits and \"-._~/\" only; byte %d is %q", i, c)
		case i > 0 && c == '/' && path[i-1] == '/':
			return nil, nil, protocol.Errorf(protocol.InvalidArgument, "a path has no empty segment; one ends at byte %d", i)
		case c == '.' && path[i-1] == '/':
			return nil, nil, protocol.Errorf(protocol.InvalidArgument, "no segment of a path begins with a dot; byte %d does", i)
		case c == '.' && path[i-1] == '.':
			return nil, nil, protocol.Errorf(protocol.InvalidArgument, "a path has no two dots in a row; byte %d is the second", i)
		}
	}
	for i, c := range query {
		if c <= ' ' || c > '~' || c == '\\' || c == '#' {
			return nil, nil, protocol.Errorf(protocol.InvalidArgument, "a query is plain or escaped ASCII; byte %d is %q", i, c)
		}
	}
	return path, query, nil
}

func plainPathByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return c == '/' || c == '-' || c == '.' || c == '_' || c == '~'
}
