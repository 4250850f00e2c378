package protocol

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what went wrong, in a number that never changes meaning: it is sent
// and kept in the log's cached results. Kinds are only ever appended.
type Kind uint16

// The kinds. Callers branch on these; text is for people.
const (
	// Internal is a broken expectation inside a server; see its log.
	Internal Kind = 1
	// InvalidArgument is a request that can never succeed as written.
	InvalidArgument Kind = 2
	// NotFound: no such object, block, upload or path.
	NotFound Kind = 3
	// PreconditionFailed: if-absent or if-version did not hold.
	PreconditionFailed Kind = 4
	// HashMismatch: the bytes are not those that the hash names.
	HashMismatch Kind = 5
	// TooLarge: over a named limit.
	TooLarge Kind = 6
	// ShortBody: the body ended before its declared length.
	ShortBody Kind = 7
	// SizeExceeded: compressed bytes decode to more than was declared or allowed.
	SizeExceeded Kind = 8
	// NotLeader: ask the leader, named in Error.Leader where it is known.
	NotLeader Kind = 9
	// Unavailable: not now; nothing was done; try again.
	Unavailable Kind = 10
	// UnknownOutcome: the request may or may not take effect later. Only the same
	// session and sequence number makes a retry safe.
	UnknownOutcome Kind = 11
	// WrongCluster: the other side belongs to another cluster.
	WrongCluster Kind = 12
	// SessionExpired: the session was closed or expired; its requests never run.
	SessionExpired Kind = 13
	// StaleRequest: the sequence number is below the session's window.
	StaleRequest Kind = 14
	// ClaimsRefused: the hashes in Error.Refused lack believed claims; store or
	// touch them at a fresh version and commit again.
	ClaimsRefused Kind = 15
	// Busy: a queue or pool is at its limit; nothing was done; try again later.
	Busy Kind = 16
	// Full: no room on the disk or node.
	Full Kind = 17
	// Quarantined: this copy was found bad and set aside.
	Quarantined Kind = 18
	// Corrupt: stored bytes fail their checksum.
	Corrupt Kind = 19
	// Unsupported: an unknown command, format or media type.
	Unsupported Kind = 20
	// LimitExceeded: a count (sessions, pages) is at its named limit.
	LimitExceeded Kind = 21
	// NotRegistered: the node has not been admitted yet in this start.
	NotRegistered Kind = 22
	// Removed: this identity was removed and is refused for ever.
	Removed Kind = 23
	// Changed: the object or row is no longer what the request was based on.
	Changed Kind = 24
	// DataLost: no copy with good bytes could be read.
	DataLost Kind = 25
	// OrderRefused: an order of a lower generation or term, or a foreign cluster.
	OrderRefused Kind = 26
	// RangeInvalid: the requested range lies outside the content.
	RangeInvalid Kind = 27
	// MethodNotAllowed: the path exists, the verb does not.
	MethodNotAllowed Kind = 28
	// Canceled: the caller gave up.
	Canceled Kind = 29
	// Unauthorized: identity missing or wrong.
	Unauthorized Kind = 30
	// LayoutUnready: fewer blockservers are known than a write needs.
	LayoutUnready Kind = 31
	// Disk: the disk failed a read, write or sync; nothing was acknowledged.
	Disk Kind = 32

	kindEnd Kind = 33
)

// kinds maps each kind to its stable name and HTTP status.
var kinds = [kindEnd]struct {
	name   string
	status int
}{
	0:                  {"none", 500},
	Internal:           {"internal", 500},
	InvalidArgument:    {"invalid-argument", 400},
	NotFound:           {"not-found", 404},
	PreconditionFailed: {"precondition-failed", 412},
	HashMismatch:       {"hash-mismatch", 422},
	TooLarge:           {"too-large", 413},
	ShortBody:          {"short-body", 400},
	SizeExceeded:       {"size-exceeded", 413},
	NotLeader:          {"not-leader", 421},
	Unavailable:        {"unavailable", 503},
	UnknownOutcome:     {"unknown-outcome", 504},
	WrongCluster:       {"wrong-cluster", 409},
	SessionExpired:     {"session-expired", 410},
	StaleRequest:       {"stale-request", 409},
	ClaimsRefused:      {"claims-refused", 409},
	Busy:               {"busy", 429},
	Full:               {"full", 507},
	Quarantined:        {"quarantined", 410},
	Corrupt:            {"corrupt", 500},
	Unsupported:        {"unsupported", 415},
	LimitExceeded:      {"limit-exceeded", 429},
	NotRegistered:      {"not-registered", 503},
	Removed:            {"removed", 403},
	Changed:            {"changed", 409},
	DataLost:           {"data-lost", 502},
	OrderRefused:       {"order-refused", 409},
	RangeInvalid:       {"range-invalid", 416},
	MethodNotAllowed:   {"method-not-allowed", 405},
	Canceled:           {"canceled", 499},
	Unauthorized:       {"unauthorized", 401},
	LayoutUnready:      {"layout-unready", 503},
	Disk:               {"disk", 500},
}

// String returns the stable name, as in the `kind` of a problem+json body.
func (k Kind) String() string {
	if k < kindEnd {
		return kinds[k].name
	}
	return fmt.Sprintf("kind-%d", uint16(k))
}

// HTTPStatus returns the status that carries k.
func (k Kind) HTTPStatus() int {
	if k < kindEnd {
		return kinds[k].status
	}
	return 500
}

// ParseKind finds a kind by its stable name; an unknown name, as from a newer
// server, is Internal.
func ParseKind(name string) Kind {
	for k := Internal; k < kindEnd; k++ {
		if kinds[k].name == name {
			return k
		}
	}
	return Internal
}

// Error is every error that crosses a role's border. Two errors are the same to
// errors.Is if their kinds are equal.
type Error struct {
	Kind Kind
	// Detail names the cause and the next step, for people.
	Detail string
	// Leader is the client address of the leader, with NotLeader, where known.
	Leader string
	// Refused lists the refused hashes, with ClaimsRefused.
	Refused []Hash
	// RequestID names the request at the server that failed it, where known.
	RequestID string
	// Err is the cause inside this process; it is not sent.
	Err error
}

// Errorf makes an Error; a %w operand becomes its cause.
func Errorf(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Detail: err.Error(), Err: errors.Unwrap(err)}
}

// Error prints the kind, the detail and the request id.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Kind.String())
	if e.Detail != "" {
		b.WriteString(": ")
		b.WriteString(e.Detail)
	}
	if e.RequestID != "" {
		b.WriteString(" (request ")
		b.WriteString(e.RequestID)
		b.WriteString(")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors of one kind equal.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Kind == e.Kind
}

// KindOf returns the kind of the first Error in err's chain: 0 for nil,
// Internal for an error of somebody else's.
func KindOf(err error) Kind {
	if err == nil {
		return 0
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// AsError returns the first Error in err's chain, or err dressed as Internal;
// nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: Internal, Detail: err.Error(), Err: err}
}
