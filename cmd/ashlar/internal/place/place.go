// Package place tells local paths and names in the cluster apart.
//
// A name in the cluster is BUCKET/KEY, or ashlar://BUCKET/KEY to be explicit. A
// local path is explicit when it begins with "/", "./" or "../", or is ".", ".."
// or "-". Of two places exactly one is in the cluster; where neither is explicit,
// the first is local if something exists there, and the other way round if not.
//
// Invariant: what an explicit place means never depends on what exists.
package place

import (
	"os"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Scheme begins an explicit name in the cluster.
const Scheme = "ashlar://"

// Object is a name in the cluster. Key is empty for a whole bucket, and may end
// in "/" for a prefix.
type Object struct {
	Bucket, Key string
}

// String prints BUCKET/KEY.
func (o Object) String() string { return o.Bucket + "/" + o.Key }

// ParseObject reads BUCKET/KEY, with or without the scheme. A key that is
// missing or no name is InvalidArgument.
func ParseObject(s string) (Object, error) {
	o, err := ParsePrefix(s)
	if err != nil {
		return Object{}, err
	}
	if o.Key == "" {
		return Object{}, protocol.Errorf(protocol.InvalidArgument, "%s names a bucket; write BUCKET/KEY", protocol.Quote(s))
	}
	return o, protocol.CheckName(o.Key)
}

// ParsePrefix reads BUCKET, BUCKET/ or BUCKET/KEY, with or without the scheme.
func ParsePrefix(s string) (Object, error) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(s, Scheme), "/")
	if err := protocol.CheckBucket(bucket); err != nil {
		return Object{}, err
	}
	return Object{bucket, key}, protocol.CheckPrefix(key)
}

// IsLocal reports whether s can only be a local path.
func IsLocal(s string) bool {
	if s == "-" || s == "." || s == ".." {
		return true
	}
	return strings.HasPrefix(s, "/") || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../")
}

// IsRemote reports whether s can only be a name in the cluster.
func IsRemote(s string) bool { return strings.HasPrefix(s, Scheme) }

// Upload decides the direction of a copy from one place to another: true if
// from is local and to is in the cluster. Two places of one sort are
// InvalidArgument.
func Upload(from, to string) (bool, error) {
	switch {
	case IsLocal(from) && IsLocal(to):
		return false, protocol.Errorf(protocol.InvalidArgument, "both %s and %s are local; write one as BUCKET/KEY", protocol.Quote(from), protocol.Quote(to))
	case IsRemote(from) && IsRemote(to):
		return false, protocol.Errorf(protocol.InvalidArgument, "both %s and %s are in the cluster; write one as a local path, as in ./NAME", protocol.Quote(from), protocol.Quote(to))
	case IsLocal(from) || IsRemote(to):
		return true, nil
	case IsLocal(to) || IsRemote(from):
		return false, nil
	}
	_, err := os.Lstat(from)
	return err == nil, nil
}
