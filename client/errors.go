package client

import "github.com/seed-7d21a5b5/ashlar/protocol"

// Kinds of errors, for errors.Is. Each stands for every error of its kind
// (protocol.Kind); protocol.KindOf and errors.As to *protocol.Error tell more.
var (
	// ErrNotFound: no such object, block or bucket.
	ErrNotFound = kind(protocol.NotFound)
	// ErrPreconditionFailed: IfAbsent or IfVersion did not hold.
	ErrPreconditionFailed = kind(protocol.PreconditionFailed)
	// ErrInvalidArgument: the call can never succeed as written.
	ErrInvalidArgument = kind(protocol.InvalidArgument)
	// ErrTooLarge: over a named limit.
	ErrTooLarge = kind(protocol.TooLarge)
	// ErrRangeInvalid: the range lies outside the content.
	ErrRangeInvalid = kind(protocol.RangeInvalid)
	// ErrChanged: the object is no longer the version that was being read.
	ErrChanged = kind(protocol.Changed)
	// ErrUnavailable: not now; nothing was done; try again later.
	ErrUnavailable = kind(protocol.Unavailable)
	// ErrUnknownOutcome: the change may or may not have happened, or may happen
	// yet. Read before deciding.
	ErrUnknownOutcome = kind(protocol.UnknownOutcome)
	// ErrCanceled: the context ended or the client was closed; nothing was
	// changed. It also wraps the context's own error.
	ErrCanceled = kind(protocol.Canceled)
	// ErrBusy: a server was at its limit for as long as was tried.
	ErrBusy = kind(protocol.Busy)
	// ErrFull: the blockservers have no room.
	ErrFull = kind(protocol.Full)
	// ErrLayoutUnready: fewer blockservers are known than a write needs.
	ErrLayoutUnready = kind(protocol.LayoutUnready)
	// ErrClaimsRefused: copies went away while an object was being put, and its
	// source could not be read again.
	ErrClaimsRefused = kind(protocol.ClaimsRefused)
	// ErrDataLost: every copy of a block is absent or bad.
	ErrDataLost = kind(protocol.DataLost)
	// ErrHashMismatch: bytes are not those that a hash names.
	ErrHashMismatch = kind(protocol.HashMismatch)
	// ErrWrongCluster: the servers belong to another cluster.
	ErrWrongCluster = kind(protocol.WrongCluster)
	// ErrLimitExceeded: a count, such as of sessions, is at its limit.
	ErrLimitExceeded = kind(protocol.LimitExceeded)
	// ErrUnauthorized: identity missing or wrong.
	ErrUnauthorized = kind(protocol.Unauthorized)
)

func kind(k protocol.Kind) error { return &protocol.Error{Kind: k} }
