package state_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// The twin's half of names, references and registration, and how it prints.

func (w *twin) commit(q *pb.CommitRequest) string {
	old := w.objects[q.Name]
	if !w.allows(q.Precondition, old) {
		return w.say(protocol.PreconditionFailed)
	}
	object := &twinObject{size: q.Size, blocks: hashesOf(q.Blocks)}
	if len(object.blocks) > 0 {
		object.asked = w.askedBy(q.Bucket)
	}
	if len(q.Upload) > 0 {
		u := w.uploads[string(q.Upload)]
		if u == nil || u.closed {
			return w.say(protocol.NotFound)
		}
		if u.bucket != q.Bucket || uint64(100*len(u.blocks)) != q.Size {
			return w.say(protocol.InvalidArgument)
		}
		object.blocks, object.upload, object.asked = u.blocks, string(q.Upload), u.asked
		if len(u.blocks) == 0 {
			object.asked = 0
		}
		w.closeUpload(string(q.Upload))
	} else if refused := w.reference(q.Blocks, q.Claims, object.asked); refused != "" {
		return w.say(protocol.ClaimsRefused) + refused
	}
	object.version = w.next()
	w.objects[q.Name] = object
	if old == nil {
		return w.say(0)
	}
	w.end(q.Name, old, object.version, pb.TrashCause_TRASH_CAUSE_OVERWRITTEN)
	w.audit(1, "%s", printEnded(q.Name, old.version, object.version))
	return w.say(0) + fmt.Sprintf(" replaced 1.%d", old.version)
}

func (w *twin) delete(q *pb.DeleteRequest) string {
	kinds, ended, due := "", "", int64(0)
	for _, item := range q.Items {
		o := w.objects[item.Name]
		switch {
		case o == nil:
			kinds += " not-found"
		case !w.allows(item.Precondition, o):
			kinds += " precondition-failed"
		default:
			kinds += " none"
			w.end(item.Name, o, w.next(), pb.TrashCause_TRASH_CAUSE_DELETED)
			delete(w.objects, item.Name)
			ended += printEnded(item.Name, o.version, w.version)
			if w.keep > 0 {
				due = w.now + int64(w.keep)
			}
		}
	}
	if ended != "" {
		w.audit(2, "%s", ended)
	}
	return w.say(0) + kinds + trashDue(due)
}

func (w *twin) unreference(q *record.Unreference) string {
	applied, stale, ended, causes := 0, 0, "", ""
	for _, step := range q.Steps {
		j := w.jobs[step.Job.Counter]
		if j == nil || j.cursor != step.Cursor {
			stale++
			continue
		}
		applied++
		before := ended
		for range step.Count {
			if j.cursor < uint64(len(j.blocks)) {
				hash := j.blocks[j.cursor]
				w.blocks[hash].asked[j.asked]--
				if w.blocks[hash].refs--; w.blocks[hash].refs == 0 {
					ended += fmt.Sprintf(" %x", hash[:4])
				}
				j.cursor++
			}
		}
		if ended != before {
			causes += fmt.Sprintf(" cause 1.%d", step.Job.Counter)
		}
		if j.cursor == uint64(len(j.blocks)) {
			delete(w.jobs, step.Job.Counter)
			delete(w.uploads, j.upload)
		}
	}
	if applied > 0 {
		w.next()
	}
	if ended != "" {
		w.audit(7, "%s%s", ended, causes)
	}
	return w.say(0) + fmt.Sprintf(" applied %d stale %d", applied, stale)
}

func (w *twin) copied(q *pb.ClaimsRequest) string {
	counted, changed := 0, false
	for i, hash := range hashesOf(q.Blocks) {
		block := w.blocks[hash]
		if block == nil || block.condemned || slices.Contains(hashesOf(q.Blocks)[:i], hash) {
			continue
		}
		for node, u := range w.believed(hash, block.floor, q.Blocks, q.Claims) {
			counted++
			changed = changed || block.copies[node] < u
			block.copies[node] = max(block.copies[node], u)
		}
	}
	if w.raiseAcks(q.Claims) || changed {
		w.next()
	}
	return w.say(0) + fmt.Sprintf(" counted %d", counted)
}

func (w *twin) register(q *pb.RegisterRequest) string {
	if q.HighestSeen.GetCounter() > w.version {
		return w.say(protocol.Unavailable)
	}
	node, known := w.identities[string(q.Identity)]
	if !known {
		node = uint32(len(w.nodes) + 1)
		w.identities[string(q.Identity)] = node
		w.nodes[node] = &twinNode{starts: []string{""}, state: joining}
	}
	n := w.nodes[node]
	if n.removed {
		return w.say(protocol.Removed)
	}
	last := len(n.starts) - 1
	if n.starts[last] != string(q.Start) {
		if slices.Contains(n.starts[max(0, last-8):], string(q.Start)) {
			return w.say(protocol.StaleRequest)
		}
		n.starts = append(n.starts, string(q.Start))
		n.incarnation++
		if w.next(); q.Disks[0].Acks < n.acks {
			n.due = w.version
		}
		n.acks = q.Disks[0].Acks
		w.takePart(node, n)
	}
	out := w.say(0) + fmt.Sprintf(" node %d incarnation %d", node, n.incarnation)
	if n.due > 0 {
		out += " inventory due"
	}
	return out
}

// takePart: in a cluster without blocks a new node is placed at once, and a node
// that was down is up again.
func (w *twin) takePart(node uint32, n *twinNode) {
	away := n.away
	switch {
	case n.state == joining && len(w.blocks) == 0:
		n.state = up
		w.newLayout()
	case n.state == down:
		n.state, n.away = up, false
		if away {
			w.startSweep(3, uint64(node))
		}
	}
}

// print describes everything that reads of the machine can tell.
func (w *twin) print() string {
	var out strings.Builder
	for i := range someBlocks {
		hash := protocol.HashOf(fmt.Appendf(nil, "block%d", i))
		out.WriteString(w.printBlock(i, w.blocks[string(hash[:])]))
	}
	for i := range someNames {
		if o := w.objects[fmt.Sprintf("name%d", i)]; o != nil {
			fmt.Fprintf(&out, "name%d at 1.%d size %d asks for %d blocks %x\n", i, o.version, o.size, o.asked, strings.Join(o.blocks, ""))
		}
	}
	var versions []uint64
	for version := range w.jobs {
		versions = append(versions, version)
	}
	slices.Sort(versions)
	for _, version := range versions {
		j := w.jobs[version]
		fmt.Fprintf(&out, "job 1.%d cursor %d left %d\n", version, j.cursor, uint64(len(j.blocks))-j.cursor)
	}
	for _, id := range sortedKeys(w.sessions) {
		fmt.Fprintf(&out, "session %x highest %d lowest %d oldest 1.%d uses %d quiet %v opened 1.%d\n", id, w.sessions[id].highest, w.sessions[id].lowest, w.sessions[id].oldest, w.sessions[id].uses, w.sessions[id].quiet, w.sessions[id].opened)
	}
	w.printTrash(&out)
	w.printWork(&out)
	w.printBulk(&out)
	w.printPlacement(&out)
	return out.String()
}

func (w *twin) printBlock(i int, b *twinBlock) string {
	if b == nil {
		return ""
	}
	phase := "live"
	if b.condemned {
		phase = "condemned"
	} else if b.refs == 0 {
		phase = "unreferenced"
	}
	out := fmt.Sprintf("block%d %s refs %d%v floor 1.%d", i, phase, b.refs, b.asked, b.floor)
	for node := range uint32(len(w.nodes)) {
		if u := b.copies[node+1]; u > 0 {
			out += fmt.Sprintf(" copy %d@1.%d trusted %v", node+1, u, w.trusts(node+1, u))
		}
	}
	for node := range uint32(len(w.nodes)) {
		if t := b.drops[node+1]; t > 0 {
			out += fmt.Sprintf(" drop %d@1.%d", node+1, t)
		}
	}
	return out + pending(b.pending) + "\n"
}
