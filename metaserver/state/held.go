package state

import (
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// A list of Held is sorted by node and has one entry a node: the copies of a
// block record with their u, or its drops with their t.

func heldVersion(h *record.Held) protocol.Version {
	return protocol.Version{Generation: h.Generation, Counter: h.Counter}
}

func findHeld(list []*record.Held, node uint32) (at int, found bool) {
	for i, h := range list {
		if h.Node >= node {
			return i, h.Node == node
		}
	}
	return len(list), false
}

// removeHeld takes the node's entry out, if there is one.
func removeHeld(list []*record.Held, node uint32) []*record.Held {
	if at, found := findHeld(list, node); found {
		return slices.Delete(list, at, at+1)
	}
	return list
}

func heldNodes(held []*record.Held) []uint32 {
	out := make([]uint32, len(held))
	for i, h := range held {
		out[i] = h.Node
	}
	return out
}

// raiseHeld sets the node's version to the higher of v and its own, and reports
// whether that changed anything.
func raiseHeld(list []*record.Held, node uint32, v protocol.Version) ([]*record.Held, bool) {
	at, found := findHeld(list, node)
	if !found {
		return slices.Insert(list, at, &record.Held{Node: node, Generation: v.Generation, Counter: v.Counter}), true
	}
	if !heldVersion(list[at]).Less(v) {
		return list, false
	}
	list[at].Generation, list[at].Counter = v.Generation, v.Counter
	return list, true
}
