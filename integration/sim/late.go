package sim

import (
	"slices"

	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Orders of a future that a restore of the metadata has undone may still be on
// their way, and reach a node before or after it has met the new generation. By
// chance alone that is too rare to be seen, so the network remembers the last
// batches with deletes, and has some of them arrive just then.

// lateBatch is a batch with delete orders on its way to the node at an address.
type lateBatch struct {
	address string
	deliver func()
}

// lateBatches bounds the batches that are remembered.
const lateBatches = 12

func isDelete(o *pb.Order) bool { return o.Kind == pb.OrderKind_ORDER_KIND_DELETE }

func (w *world) keepLate(b lateBatch) {
	w.late = append(w.late, b)
	w.late = w.late[max(0, len(w.late)-lateBatches):]
}

// undone: the future is lost. Some of its batches arrive some time, the others may
// when their node is ready in the new generation.
func (w *world) undone() {
	w.holding = false
	w.ghosts = append(w.ghosts, w.late...)
	w.ghosts = w.ghosts[max(0, len(w.ghosts)-lateBatches):]
	for _, b := range w.late {
		if w.hits(FaultLateOrders) {
			w.after(w.shape.pace*int64(1+w.n(600)), b.deliver)
		}
	}
	w.late = nil
}

// haunt has batches of lost futures arrive at a node that has become ready.
func (w *world) haunt(n *node) {
	mine := func(b lateBatch) bool { return b.address == n.address }
	for _, b := range w.ghosts {
		if mine(b) && w.hits(FaultLateOrders) {
			w.after(int64(1+w.n(60))*w.shape.pace, b.deliver)
		}
	}
	if n.admitted == w.facts.cluster.Generation {
		w.ghosts = slices.DeleteFunc(w.ghosts, mine)
	}
}
