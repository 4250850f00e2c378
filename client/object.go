package client

import (
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Hash, Version and NodeID are protocol's.
type (
	Hash    = protocol.Hash
	Version = protocol.Version
	NodeID  = protocol.NodeID
)

// Object describes one object at one version.
type Object struct {
	Bucket string `json:"bucket"`
	Name   string `json:"name"`
	// Version is of the log entry that committed the object.
	Version Version `json:"version"`
	// Size is the content's length in bytes.
	Size         int64             `json:"size"`
	ContentType  string            `json:"content_type,omitempty"`
	UserMetadata map[string]string `json:"user_metadata,omitempty"`
	// Digest is the BLAKE3-256 of the whole content; zero if whoever committed the
	// object by hand left it out.
	Digest Hash `json:"digest"`
	// Modified is the wall clock of the metaserver that took the commit, for
	// people. It is zero in Put's answer.
	Modified time.Time `json:"modified,omitzero"`
	// Inline tells that the content lives in metadata, Blocks how many blocks it
	// has otherwise.
	Inline bool  `json:"inline,omitempty"`
	Blocks int64 `json:"blocks,omitempty"`
	// Redundancy is the copies of each block that the object asks for; 0: as many as
	// the cluster makes. It is what the bucket asked for when the object was put, and
	// 0 in Put's answer and for what lives in metadata.
	Redundancy int `json:"redundancy,omitempty"`
}

// Entry is one line of a listing: an object, or a prefix that ends in the
// delimiter and stands for all names that begin with it.
type Entry struct {
	Object
	// Prefix is not empty for a prefix; the Object is then zero.
	Prefix string `json:"prefix,omitempty"`
}

// IsPrefix tells prefixes from objects.
func (e Entry) IsPrefix() bool { return e.Prefix != "" }

// Key is what the listing is sorted by: the name or the prefix.
func (e Entry) Key() string {
	if e.IsPrefix() {
		return e.Prefix
	}
	return e.Name
}

func objectOf(i *pb.ObjectInfo) (Object, error) {
	var digest Hash
	if len(i.GetDigest()) > 0 {
		var err error
		if digest, err = protocol.HashFromBytes(i.GetDigest()); err != nil {
			return Object{}, protocol.Errorf(protocol.Internal, "a metaserver described %s with a broken digest: %w", protocol.Quote(i.GetName()), err)
		}
	}
	o := Object{
		Bucket: i.GetBucket(), Name: i.GetName(), Version: versionOf(i.GetVersion()),
		Size: int64(i.GetSize()), ContentType: i.GetContentType(), Digest: digest,
		Modified: time.UnixMilli(i.GetModifiedUnixMs()), Inline: i.GetIsInline(), Blocks: int64(i.GetBlockCount()),
		Redundancy: int(i.GetRedundancy()),
	}
	if len(i.GetUserMetadata()) > 0 {
		o.UserMetadata = make(map[string]string, len(i.GetUserMetadata()))
		for _, m := range i.GetUserMetadata() {
			o.UserMetadata[m.GetKey()] = m.GetValue()
		}
	}
	return o, nil
}

// timeOf reads a time of the wire; 0 is the zero time.
func timeOf(unixMs int64) time.Time {
	if unixMs == 0 {
		return time.Time{}
	}
	return time.UnixMilli(unixMs)
}

func versionOf(v *pb.Version) Version {
	return Version{Generation: v.GetGeneration(), Counter: v.GetCounter()}
}

func wireVersion(v Version) *pb.Version {
	return &pb.Version{Generation: v.Generation, Counter: v.Counter}
}
