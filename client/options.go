package client

import (
	"slices"
	"strings"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Level says how fresh a read must be.
type Level int

const (
	// Linearizable sees every change that was acknowledged before the call. It
	// is the default.
	Linearizable Level = iota
	// Session sees at least what this client has seen; any replica may answer.
	Session
	// Stale is whatever a replica has; it works without a leader.
	Stale
)

func (l Level) wire() pb.Level {
	switch l {
	case Session:
		return pb.Level_LEVEL_SESSION
	case Stale:
		return pb.Level_LEVEL_STALE
	}
	return pb.Level_LEVEL_LINEARIZABLE
}

// verb is a set of calls that an option applies to.
type verb uint

const (
	verbPut verb = 1 << iota
	verbGet
	verbStat
	verbList
	verbDelete
	verbBlock
	verbUndelete
	verbListDeleted
	verbEmptyTrash
	verbBucket
	verbSetBucket
)

// Option changes one call. An option given to a call that it does not apply to
// is ErrInvalidArgument.
type Option struct {
	name  string
	verbs verb
	set   func(*options)
}

type options struct {
	precondition *pb.Precondition
	ifVersion    *pb.Version
	contentType  string
	metadata     []*pb.Meta
	blockSize    int
	cutByContent bool
	offset       int64
	length       int64
	ranged       bool
	level        Level
	progress     func(int64)
	stats        *Stats
	prefix       string
	delimiter    string
	startAfter   string
	pageSize     int
	// trashed is the version that an undelete is about, replace lets it take the
	// place of a live object, due is told when what was deleted is to go.
	trashed *pb.Version
	replace bool
	due     *time.Time
}

// collect applies opts for one verb.
func collect(v verb, opts []Option) (options, error) {
	var o options
	for _, opt := range opts {
		if opt.verbs&v == 0 || opt.set == nil {
			return o, protocol.Errorf(protocol.InvalidArgument, "option %s does not apply to this call", opt.name)
		}
		opt.set(&o)
	}
	return o, nil
}

// IfAbsent lets a put succeed only if there is no such object.
func IfAbsent() Option {
	return Option{"IfAbsent", verbPut, func(o *options) {
		o.precondition = &pb.Precondition{Kind: pb.Precondition_IF_ABSENT}
	}}
}

// IfVersion lets a put or delete succeed, and a get or stat answer, only if the
// object still is v. Otherwise a change is ErrPreconditionFailed and a read
// ErrChanged. For an undelete it is the live object that it may replace; for
// SetBucket the settings that it may replace, otherwise ErrChanged.
func IfVersion(v Version) Option {
	return Option{"IfVersion", verbPut | verbDelete | verbGet | verbStat | verbUndelete | verbSetBucket, func(o *options) {
		o.precondition = &pb.Precondition{Kind: pb.Precondition_IF_VERSION, Version: wireVersion(v)}
		o.ifVersion = wireVersion(v)
	}}
}

// WithContentType keeps a content type with the object.
func WithContentType(s string) Option {
	return Option{"WithContentType", verbPut, func(o *options) { o.contentType = s }}
}

// WithUserMetadata keeps keys and values with the object, at most
// protocol.MaxUserMetadata bytes in all.
func WithUserMetadata(m map[string]string) Option {
	return Option{"WithUserMetadata", verbPut, func(o *options) {
		o.metadata = o.metadata[:0]
		for k, v := range m {
			o.metadata = append(o.metadata, &pb.Meta{Key: k, Value: v})
		}
		slices.SortFunc(o.metadata, func(a, b *pb.Meta) int { return strings.Compare(a.GetKey(), b.GetKey()) })
	}}
}

// WithBlockSize cuts this put into blocks of n bytes, 1 KiB to
// protocol.MaxBlockSize, instead of Config.BlockSize.
func WithBlockSize(n int) Option {
	return Option{"WithBlockSize", verbPut, func(o *options) { o.blockSize = n }}
}

// CutByContent cuts this put where the content says so (FastCDC), so that bytes
// inserted in the middle leave most blocks as they were. Blocks have a quarter
// of the block size to the block size.
func CutByContent() Option {
	return Option{"CutByContent", verbPut, func(o *options) { o.cutByContent = true }}
}

// WithRange reads length bytes from offset on; a length of 0 or below, or one
// that reaches beyond the end, means to the end. An offset at or beyond
// the end is ErrRangeInvalid, except 0 in an empty object.
func WithRange(offset, length int64) Option {
	return Option{"WithRange", verbGet, func(o *options) { o.offset, o.length, o.ranged = offset, max(length, 0), true }}
}

// WithLevel says how fresh the answer must be.
func WithLevel(l Level) Option {
	return Option{"WithLevel", verbGet | verbStat | verbList | verbBlock | verbListDeleted | verbBucket, func(o *options) { o.level = l }}
}

// WithProgress calls fn with the bytes done so far: acknowledged by a quorum of nodes
// for a put, handed to the caller for a get. Calls do not overlap within one put or
// get; fn should be quick.
func WithProgress(fn func(done int64)) Option {
	return Option{"WithProgress", verbPut | verbGet, func(o *options) { o.progress = fn }}
}

// WithStats fills s with what this call did. A put's are complete when Put
// returns, a get's when its Reader is closed.
func WithStats(s *Stats) Option {
	return Option{"WithStats", verbPut | verbGet, func(o *options) { o.stats = s }}
}

// WithPrefix lists, or empties the trash of, only names that begin with prefix.
func WithPrefix(prefix string) Option {
	return Option{"WithPrefix", verbList | verbListDeleted | verbEmptyTrash, func(o *options) { o.prefix = prefix }}
}

// WithDelimiter lists names that have delimiter after the prefix as one prefix.
func WithDelimiter(delimiter string) Option {
	return Option{"WithDelimiter", verbList, func(o *options) { o.delimiter = delimiter }}
}

// StartAfter lists only what comes after name.
func StartAfter(name string) Option {
	return Option{"StartAfter", verbList, func(o *options) { o.startAfter = name }}
}

// WithPageSize asks for n entries a page, at most protocol.MaxListPage. It
// changes the number of requests, not what is listed.
func WithPageSize(n int) Option {
	return Option{"WithPageSize", verbList | verbListDeleted, func(o *options) { o.pageSize = n }}
}

// Trashed has an undelete bring back the version v instead of the newest one in the
// trash.
func Trashed(v Version) Option {
	return Option{"Trashed", verbUndelete, func(o *options) { o.trashed = wireVersion(v) }}
}

// Replacing lets an undelete take the place of a live object, which then goes to
// the trash itself.
func Replacing() Option {
	return Option{"Replacing", verbUndelete, func(o *options) { o.replace = true }}
}

// WithTrashDue sets t to when the trash lets go of what a delete has deleted; to
// zero if the bucket has no trash or nothing was deleted.
func WithTrashDue(t *time.Time) Option {
	return Option{"WithTrashDue", verbDelete, func(o *options) { o.due, *t = t, time.Time{} }}
}
