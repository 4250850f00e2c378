package state

// Reader is an ordered table as reads see it. Keys are compared as bytes.
//
// Get returns the value of key, which the caller must not change and which
// stays valid as long as the Reader. Scan calls fn for each row of
// [lower, upper) in ascending order until fn returns false; both slices are
// valid only during the call. An upper of nil means to the end.
type Reader interface {
	Get(key []byte) (value []byte, ok bool, err error)
	Scan(lower, upper []byte, fn func(key, value []byte) bool) error
}

// View is an immutable moment of a table. Close gives its resources back.
type View interface {
	Reader
	Close() error
}

// Mutation sets one row, or deletes it.
type Mutation struct {
	Key, Value []byte
	Delete     bool
}

// Table is what the state machine stands on. One goroutine writes; views may be
// taken and read by others meanwhile.
//
// Write applies mutations, sorted by key and one for each key, as one atomic
// step; it need not be durable on return. The table may keep the keys and
// values, but not the slice that holds the mutations.
type Table interface {
	Reader
	View() View
	Write(sorted []Mutation) error
}
