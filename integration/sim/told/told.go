// Package told keeps what clients of the simulation were told of objects, by the
// plainest reading of commands and their results: it shares nothing with package
// state, so that the checkers can hold the one against the other.
package told

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Name is an object's, or a prefix of such.
type Name struct{ Bucket, Name string }

// String is what traces call it.
func (n Name) String() string { return n.Bucket + "/" + n.Name }

// covers: the prefix is one of the object's.
func (n Name) covers(object Name) bool {
	return n.Bucket == object.Bucket && strings.HasPrefix(object.Name, n.Name)
}

// content is what an object or upload consists of, and the redundancy that it asks
// for; 0 is the cluster's.
type content struct {
	asks   uint32
	hashes []byte
}

// upload is what it was made for, and what it has so far.
type upload struct {
	bucket string
	*content
}

type object struct {
	version protocol.Version
	// content is nil where nobody was told it: of what a restore or the trash has
	// brought back.
	content *content
}

// Objects is what clients were told, as far as no restore has made it void.
type Objects struct {
	objects  map[Name]object
	prefixes map[protocol.Version]Name
	uploads  map[string]upload
	asks     map[string]uint32
}

// New knows of nothing.
func New() *Objects {
	return &Objects{map[Name]object{}, map[protocol.Version]Name{}, map[string]upload{}, map[string]uint32{}}
}

// Hear takes down a result that is heard for the first time. There tells at which
// version an object is: a step of a delete of a prefix may have ended some. It
// returns what cannot be, if anything.
func (o *Objects) Hear(cmd *record.Command, r *record.Result, there func(Name) protocol.Version) error {
	version := versionOf(r.Version)
	switch b := cmd.Body.(type) {
	case *record.Command_PutBucket:
		o.asks[b.PutBucket.Bucket] = b.PutBucket.Redundancy
	case *record.Command_CreateUpload:
		o.uploads[string(b.CreateUpload.Upload)] = upload{b.CreateUpload.Bucket, &content{asks: o.asks[b.CreateUpload.Bucket]}}
	case *record.Command_AppendUpload:
		if u, known := o.uploads[string(b.AppendUpload.Upload)]; known {
			u.hashes = append(u.hashes, b.AppendUpload.Blocks.GetHashes()...)
		}
	case *record.Command_Commit:
		c := &content{o.asks[b.Commit.Bucket], b.Commit.Blocks.GetHashes()}
		if len(b.Commit.Upload) > 0 {
			c = o.uploads[string(b.Commit.Upload)].content
		}
		if o.Elsewhere(b.Commit) {
			return fmt.Errorf("an upload of another bucket was committed to %s/%s", b.Commit.Bucket, b.Commit.Name)
		}
		o.objects[Name{b.Commit.Bucket, b.Commit.Name}] = object{version, c}
	case *record.Command_Undelete:
		o.objects[Name{b.Undelete.Bucket, b.Undelete.Name}] = object{version, nil}
	case *record.Command_Delete:
		for _, item := range b.Delete.Items {
			delete(o.objects, Name{b.Delete.Bucket, item.Name})
		}
	case *record.Command_DeletePrefix:
		o.prefixes[version] = Name{b.DeletePrefix.Bucket, b.DeletePrefix.Prefix}
	case *record.Command_DeletePrefixStep:
		return o.stepped(versionOf(b.DeletePrefixStep.Job), r.GetPrefixStep(), there)
	}
	return nil
}

// Elsewhere: what would be committed is an upload that was made for another bucket.
func (o *Objects) Elsewhere(q *pb.CommitRequest) bool {
	u, known := o.uploads[string(q.GetUpload())]
	return known && u.bucket != q.GetBucket()
}

// stepped: a delete of a prefix has ended some of its names, or is done with all.
func (o *Objects) stepped(job protocol.Version, step *record.PrefixStepResult, there func(Name) protocol.Version) error {
	for _, name := range o.Names() {
		if !o.prefixes[job].covers(name) || job.Less(o.objects[name].version) {
			continue
		}
		switch at := there(name); {
		case !step.GetStale() && at != o.objects[name].version:
			delete(o.objects, name)
		case step.GetDone():
			return fmt.Errorf("the delete of prefix %s is done and has left %s at %s", o.prefixes[job], name, at)
		}
	}
	return nil
}

// Names lists the objects, in order.
func (o *Objects) Names() []Name {
	out := make([]Name, 0, len(o.objects))
	for name := range o.objects {
		out = append(out, name)
	}
	slices.SortFunc(out, func(x, y Name) int {
		return cmp.Or(cmp.Compare(x.Bucket, y.Bucket), cmp.Compare(x.Name, y.Name))
	})
	return out
}

// Version is the one that an object was told to have.
func (o *Objects) Version(n Name) protocol.Version { return o.objects[n].version }

// Asked is the highest redundancy that objects with a block ask for, in a cluster of
// this one; 0 if no object is known to have it.
func (o *Objects) Asked(h protocol.Hash, clusters uint32) (highest uint32) {
	for _, at := range o.objects {
		if at.content != nil && at.content.has(h) {
			highest = max(highest, cmp.Or(at.content.asks, clusters))
		}
	}
	return highest
}

func (c *content) has(h protocol.Hash) bool {
	for rest := c.hashes; len(rest) >= len(h); rest = rest[len(h):] {
		if protocol.Hash(rest) == h {
			return true
		}
	}
	return false
}

// Restored makes void what was told, after the metadata was restored: known is what
// there is, running are the deletes of prefixes, asks what buckets ask for.
func (o *Objects) Restored(known []*pb.ObjectInfo, running []*record.PrefixJob, asks []*pb.BucketInfo) {
	*o = *New()
	for _, at := range known {
		o.objects[Name{at.Bucket, at.Name}] = object{versionOf(at.Version), nil}
	}
	for _, j := range running {
		o.prefixes[versionOf(j.Upto)] = Name{j.Bucket, j.Prefix}
	}
	for _, b := range asks {
		o.asks[b.Bucket] = b.Redundancy
	}
}

func versionOf(v *pb.Version) protocol.Version {
	return protocol.Version{Generation: v.GetGeneration(), Counter: v.GetCounter()}
}
