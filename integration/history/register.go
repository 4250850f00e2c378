package history

import (
	"fmt"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// register is what one key holds. The zero register has never held anything.
type register struct {
	present bool
	tag     string
	// version is of the present object; zero where it is not known, which is so
	// after a write of unknown outcome that nobody has read.
	version protocol.Version
	// last is the highest version that the key is known to have had.
	last protocol.Version
}

// step gives the register after an operation that takes effect now and was told
// what it was told; false if it cannot have been told that now.
func (s register) step(o *Operation) (register, bool) {
	switch o.Verb {
	case Put:
		return s.put(o)
	case Delete:
		return s.delete(o)
	}
	switch o.Outcome {
	case Absent:
		return s, !s.present
	case Refused:
		return s, s.present && s.version != o.If
	}
	if o.Condition == IfVersion && o.Seen.Version != o.If {
		return s, false
	}
	return s.shows(o.Seen)
}

func (s register) put(o *Operation) (register, bool) {
	holds := s.holds(o)
	switch o.Outcome {
	case Refused:
		return s, !holds
	case Unknown:
		if o.Seen == nil {
			if holds {
				s.present, s.tag, s.version = true, o.Tag, protocol.Version{}
			}
			return s, true
		}
	}
	after := register{present: true, tag: o.Tag, version: o.Seen.Version, last: o.Seen.Version}
	return after, holds && s.last.Less(o.Seen.Version)
}

func (s register) delete(o *Operation) (register, bool) {
	holds := s.present && s.holds(o)
	gone := register{last: s.last}
	switch o.Outcome {
	case Absent:
		return s, !s.present
	case Refused:
		return s, s.present && !s.holds(o)
	case Unknown:
		if !holds {
			return s, true
		}
	}
	return gone, holds
}

// holds judges the precondition. A version that is not known is none that anybody
// could have named: whoever named it had read it, and then it is known.
func (s register) holds(o *Operation) bool {
	switch o.Condition {
	case IfAbsent:
		return !s.present
	case IfVersion:
		return s.present && s.version == o.If
	}
	return true
}

// shows matches the register with what an answer described.
func (s register) shows(seen *Seen) (register, bool) {
	if !s.present || s.tag != seen.Tag {
		return s, false
	}
	if s.version.IsZero() {
		known := s.last.Less(seen.Version)
		s.version, s.last = seen.Version, seen.Version
		return s, known
	}
	return s, s.version == seen.Version
}

func (s register) String() string {
	if !s.present {
		return "absent"
	}
	return fmt.Sprintf("%s at %s", s.tag, s.version)
}
