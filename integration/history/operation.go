package history

import (
	"strings"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Verb is what a client asked for.
type Verb string

// The verbs.
const (
	Put    Verb = "put"
	Delete Verb = "delete"
	Get    Verb = "get"
	Stat   Verb = "stat"
	List   Verb = "list"
)

// Outcome is what a client was told.
type Outcome string

const (
	// Done is an answer with what was asked for.
	Done Outcome = "done"
	// Absent is the answer that there is no such object.
	Absent Outcome = "absent"
	// Refused is the answer that a precondition did not hold.
	Refused Outcome = "refused"
	// Unknown is a write that may have happened, or may happen yet.
	Unknown Outcome = "unknown"
	// Nothing is a write that certainly did not happen, or a read without an answer.
	Nothing Outcome = "nothing"
)

// Level is how fresh a read had to be.
type Level string

// The levels; writes are linearizable.
const (
	Linearizable Level = "linearizable"
	Session      Level = "session"
	Stale        Level = "stale"
)

// Condition is a precondition.
type Condition string

// The preconditions; Version is named in Operation.If.
const (
	Always    Condition = ""
	IfAbsent  Condition = "if-absent"
	IfVersion Condition = "if-version"
)

// Open is the return of an operation that has not ended.
const Open int64 = -1

// Operation is one call and what became of it. It is one line of a history file.
type Operation struct {
	// ID numbers the operations of a history from 1 in the order of their calls.
	ID     int  `json:"id"`
	Client int  `json:"client"`
	Verb   Verb `json:"verb"`
	// Level is of a read.
	Level Level `json:"level,omitempty"`
	// Key is what the operation is about; a listing's is its prefix.
	Key string `json:"key"`
	// Condition and If are the precondition.
	Condition Condition        `json:"condition,omitempty"`
	If        protocol.Version `json:"if,omitzero"`
	// Tag, Size and Digest are of what a put writes.
	Tag    string        `json:"tag,omitempty"`
	Size   int64         `json:"size,omitempty"`
	Digest protocol.Hash `json:"digest,omitzero"`
	// Call and Return are nanoseconds since the history began; Return is Open for an
	// operation that has not ended.
	Call   int64 `json:"call"`
	Return int64 `json:"return"`

	Outcome Outcome `json:"outcome"`
	// Error is the kind and text of an error, for people.
	Error string `json:"error,omitempty"`
	// Seen is what a get or stat found, or what a put was acknowledged as.
	Seen *Seen `json:"seen,omitempty"`
	// Listed is what a listing gave, in its order.
	Listed []Seen `json:"listed,omitempty"`
}

// Seen is an object as an answer described it.
type Seen struct {
	// Key is filled in by listings.
	Key     string           `json:"key,omitempty"`
	Version protocol.Version `json:"version"`
	Tag     string           `json:"tag"`
	Size    int64            `json:"size"`
	// Digest is of the bytes that a get gave, else as described.
	Digest protocol.Hash `json:"digest"`
}

// Reads tells reads from writes.
func (o *Operation) Reads() bool { return o.Verb == Get || o.Verb == Stat || o.Verb == List }

// Answered tells whether the store served: a refusal is an answer too.
func (o *Operation) Answered() bool { return o.Outcome != Unknown && o.Outcome != Nothing }

// observations are the objects that the operation's answer showed.
func (o *Operation) observations() []Seen {
	switch {
	case !o.Answered():
		return nil
	case o.Verb == List:
		return o.Listed
	case o.Seen != nil:
		return []Seen{{Key: o.Key, Version: o.Seen.Version, Tag: o.Seen.Tag, Size: o.Seen.Size, Digest: o.Seen.Digest}}
	}
	return nil
}

// PrefixOf is the part of a key up to and with its last slash.
func PrefixOf(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }
