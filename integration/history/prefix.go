package history

import (
	"fmt"
	"sort"
)

// MaxKeys bounds the keys below one prefix, so that its map stays cheap to
// compare.
const MaxKeys = 8

// shelf is all registers below one prefix, in the order of their keys.
type shelf [MaxKeys]register

// keysOf are the keys below a prefix that a history speaks of.
func keysOf(ops []Operation) ([]string, error) {
	known := map[string]bool{}
	for i := range ops {
		if ops[i].Verb != List {
			known[ops[i].Key] = true
		}
		for _, s := range ops[i].Listed {
			known[s.Key] = true
		}
	}
	var keys []string
	for k := range known {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	if len(keys) > MaxKeys {
		return nil, fmt.Errorf("prefix %s has %d keys; a prefix that is judged has at most %d", PrefixOf(keys[0]), len(keys), MaxKeys)
	}
	return keys, nil
}

// step is the shelf after an operation on one key, or a listing of all.
func (s shelf) step(keys []string, o *Operation) (shelf, bool) {
	if o.Verb != List {
		i := sort.SearchStrings(keys, o.Key)
		after, ok := s[i].step(o)
		s[i] = after
		return s, ok
	}
	listed := o.Listed
	for i, key := range keys {
		if len(listed) > 0 && listed[0].Key == key {
			after, ok := s[i].shows(&listed[0])
			if !ok {
				return s, false
			}
			s[i], listed = after, listed[1:]
		} else if s[i].present {
			return s, false
		}
	}
	return s, len(listed) == 0
}
