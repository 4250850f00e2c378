package state

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
)

// keptLayout is a layout of before as the invariants look at it: a table of nodes
// that may be gone is judged by its length, and there are many.
type keptLayout struct {
	// row lacks the table, which has so many bytes.
	row   *record.Layout
	table int
}

// addKept decodes a kept layout without its table.
func (w *world) addKept(key, value []byte) error {
	if len(key) != 1+8 {
		return broken("rows", "key %x should have %d bytes after its table's letter", key, 8)
	}
	rest, table := cutTable(value)
	row := &record.Layout{}
	w.layouts = append(w.layouts, keyed[keptLayout]{key[1:], keptLayout{row, table}})
	return decodeExactly(key, rest, row)
}

// cutTable takes the table out of a layout's row, where it stands as in canonical
// form: once, between the fields below and above it, and not empty. In any other
// row it stays, and is found by who decodes the rest.
func cutTable(value []byte) (rest []byte, table int) {
	const number = 3
	for at := 0; at < len(value); {
		n, kind, size := protowire.ConsumeField(value[at:])
		switch {
		case size < 0 || n > number || n == number && kind != protowire.BytesType:
			return value, 0
		case n < number:
			at += size
			continue
		}
		_, _, tag := protowire.ConsumeTag(value[at:])
		body, took := protowire.ConsumeBytes(value[at+tag:])
		rest = slices.Concat(value[:at], value[at+size:])
		if next, _, m := protowire.ConsumeTag(value[at+size:]); m > 0 && next <= number || len(body) == 0 || took != protowire.SizeBytes(len(body)) || tag != protowire.SizeTag(number) {
			return value, 0
		}
		return rest, len(body)
	}
	return value, 0
}
