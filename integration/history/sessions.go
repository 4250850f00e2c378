package history

import (
	"fmt"
	"sort"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// memory is the newest that a client knows of a key.
type memory struct {
	version protocol.Version
	absent  bool
}

// checkSessions judges session reads: none may go back behind what the same
// client has read at this or the linearizable level, or written. A client does
// one thing after the other.
func checkSessions(ops []Operation) []string {
	byClient := map[int][]*Operation{}
	for i := range ops {
		if ops[i].Outcome == Nothing || ops[i].Outcome == Unknown || ops[i].Level == Stale {
			continue
		}
		byClient[ops[i].Client] = append(byClient[ops[i].Client], &ops[i])
	}
	var broken []string
	for _, own := range byClient {
		sort.Slice(own, func(i, j int) bool { return own[i].Call < own[j].Call })
		known := map[string]memory{}
		for _, o := range own {
			if text := o.follow(known); text != "" {
				broken = append(broken, text)
			}
		}
	}
	sort.Strings(broken)
	return broken
}

// follow compares the operation with what its client knows, and adds to that.
func (o *Operation) follow(known map[string]memory) string {
	switch {
	case o.Outcome == Refused:
		return ""
	case o.Outcome == Absent || o.Verb == Delete:
		known[o.Key] = memory{known[o.Key].version, true}
		return ""
	}
	for _, s := range o.observations() {
		was := known[s.Key]
		back := s.Version.Less(was.version) || was.absent && s.Version == was.version && !was.version.IsZero()
		known[s.Key] = memory{version: s.Version}
		if back && o.Level == Session {
			return fmt.Sprintf("%s: a session read went back; the client had seen %s, gone: %v", o, was.version, was.absent)
		}
	}
	return ""
}
