package history

import (
	"fmt"
	"sort"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// checkVersions judges what holds of the versions and contents of the whole
// store, whatever the level.
func checkVersions(ops []Operation) []string {
	b := &book{puts: map[string]*Operation{}, tags: map[protocol.Version]string{}, versions: map[string]protocol.Version{}}
	for i := range ops {
		if ops[i].Verb == Put {
			b.puts[ops[i].Tag] = &ops[i]
		}
	}
	for i := range ops {
		for _, s := range ops[i].observations() {
			b.observe(&ops[i], &s)
		}
	}
	b.order(ops)
	return b.broken
}

// book is what the history says of tags and versions.
type book struct {
	puts     map[string]*Operation
	tags     map[protocol.Version]string
	versions map[string]protocol.Version
	broken   []string
}

func (b *book) say(format string, args ...any) {
	b.broken = append(b.broken, fmt.Sprintf(format, args...))
}

// observe checks one sighting: the content is one that was put to this key, the
// put did not certainly fail, and content and version belong to each other for
// ever.
func (b *book) observe(o *Operation, s *Seen) {
	put := b.puts[s.Tag]
	switch {
	case put == nil:
		b.say("%s: nobody ever put %q", o, s.Tag)
		return
	case put.Key != s.Key:
		b.say("%s: %s was put to %s", o, s.Tag, put.Key)
	case put.Outcome == Nothing || put.Outcome == Refused:
		b.say("%s: the put of %s was told %q: %s", o, s.Tag, put.Outcome, put)
	case put.Digest != s.Digest || put.Size != s.Size:
		b.say("%s: %s has %d bytes of digest %s; %d bytes of %s were put", o, s.Tag, s.Size, s.Digest.Short(), put.Size, put.Digest.Short())
	case o.Return < put.Call:
		b.say("%s: read before it was put: %s", o, put)
	}
	if t, ok := b.tags[s.Version]; ok && t != s.Tag {
		b.say("%s: version %s is of %s and of %s", o, s.Version, t, s.Tag)
	}
	if v, ok := b.versions[s.Tag]; ok && v != s.Version {
		b.say("%s: %s is at version %s and at %s", o, s.Tag, v, s.Version)
	}
	b.tags[s.Version], b.versions[s.Tag] = s.Tag, s.Version
}

// order checks that acknowledged puts have versions in the order of time, over
// all keys.
func (b *book) order(ops []Operation) {
	var byCall, byReturn []*Operation
	for i := range ops {
		if ops[i].Verb == Put && ops[i].Outcome == Done {
			byCall, byReturn = append(byCall, &ops[i]), append(byReturn, &ops[i])
		}
	}
	sort.Slice(byCall, func(i, j int) bool { return byCall[i].Call < byCall[j].Call })
	sort.Slice(byReturn, func(i, j int) bool { return byReturn[i].Return < byReturn[j].Return })
	var highest *Operation
	for _, o := range byCall {
		for len(byReturn) > 0 && byReturn[0].Return < o.Call {
			if highest == nil || highest.Seen.Version.Less(byReturn[0].Seen.Version) {
				highest = byReturn[0]
			}
			byReturn = byReturn[1:]
		}
		if highest != nil && !highest.Seen.Version.Less(o.Seen.Version) {
			b.say("%s: called after a higher version was acknowledged: %s", o, highest)
		}
	}
}
