package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Check runs every invariant over r and returns the first that is broken, by
// name. It holds the whole table decoded: for tests after every step, and for
// operators on demand; Recount needs no such memory.
func Check(r Reader) error {
	w, err := readWorld(r)
	if err != nil || versionOf(w.cluster).IsZero() {
		return err
	}
	invariants := []func(*world) error{
		checkPhases, checkFloors, checkDrops, checkNodes, checkReferences, checkSchedule, checkCritical, checkLayout, checkLayouts, checkSweeps,
		checkMarks, checkObjects, checkUploads, checkPages, checkJobs, checkSessions, checkTrash, checkBuckets, checkPrefixJobs, checkAuditRows,
	}
	for _, invariant := range invariants {
		if err := invariant(w); err != nil {
			return err
		}
	}
	return checkCounters(r, w)
}

// broken names the invariant that does not hold.
func broken(invariant, format string, args ...any) error {
	return fmt.Errorf("state: invariant %s: %s", invariant, fmt.Sprintf(format, args...))
}

// checkPhases: a block is live if and only if it is referenced; condemned has
// neither copies nor drops; only condemned has pending nodes; lists are sorted,
// one entry a node.
func checkPhases(w *world) error {
	for _, b := range w.blocks {
		condemned := b.row.Phase == record.Block_CONDEMNED
		switch {
		case b.row.Phase < record.Block_LIVE || b.row.Phase > record.Block_CONDEMNED:
			return broken("phases", "block %x has phase %d", b.key, b.row.Phase)
		case (b.row.Phase == record.Block_LIVE) != (b.row.Refs > 0):
			return broken("phases", "block %x is %s with %d references", b.key, phaseName(b.row.Phase), b.row.Refs)
		case condemned && len(b.row.Copies)+len(b.row.Drops) > 0:
			return broken("phases", "block %x is condemned and has copies or drops", b.key)
		case !condemned && len(b.row.Pending) > 0:
			return broken("phases", "block %x is %s and has pending nodes", b.key, phaseName(b.row.Phase))
		}
		if !ascending(heldNodes(b.row.Copies)) || !ascending(heldNodes(b.row.Drops)) || !ascending(b.row.Pending) {
			return broken("phases", "block %x lists a node twice or out of order", b.key)
		}
		if err := checkLevels(b.row); err != nil {
			return broken("phases", "block %x %v", b.key, err)
		}
	}
	return nil
}

func ascending(list []uint32) bool {
	for i := 1; i < len(list); i++ {
		if list[i-1] >= list[i] {
			return false
		}
	}
	return true
}

// checkFloors: no version is above the present one, and no drop is above its
// record's floor (reclamation.md, Why it holds, 2). Copies may be below it: a drop
// or loss on one node raises the floor for claims that are still to come.
func checkFloors(w *world) error {
	present := versionOf(w.cluster)
	if watermark := fromPB(w.cluster.Watermark); present.Less(watermark) || present.Less(fromPB(w.cluster.First)) {
		return broken("floors", "W %s or F %s is above the present %s", watermark, fromPB(w.cluster.First), present)
	}
	for _, b := range w.blocks {
		floor := fromPB(b.row.Floor)
		if floor.IsZero() || present.Less(floor) {
			return broken("floors", "block %x has floor %s at version %s", b.key, floor, present)
		}
		for _, c := range b.row.Copies {
			if heldVersion(c).IsZero() || present.Less(heldVersion(c)) {
				return broken("floors", "block %x counts a copy at %s, present %s", b.key, heldVersion(c), present)
			}
		}
		for _, d := range b.row.Drops {
			if floor.Less(heldVersion(d)) {
				return broken("floors", "block %x drops at %s above its floor %s", b.key, heldVersion(d), floor)
			}
		}
	}
	return nil
}

// checkDrops: a copy on a node whose drop is outstanding is at the drop's t or
// above, so that the drop's order cannot hit it (reclamation.md, Why it holds, 3).
func checkDrops(w *world) error {
	for _, b := range w.blocks {
		for _, d := range b.row.Drops {
			at, counted := findHeld(b.row.Copies, d.Node)
			if counted && heldVersion(b.row.Copies[at]).Less(heldVersion(d)) {
				return broken("drops", "block %x counts node %d at %s and drops it at %s", b.key, d.Node, heldVersion(b.row.Copies[at]), heldVersion(d))
			}
		}
	}
	return nil
}

// checkNodes: nodes are numbered from 1 without gaps, each identity leads to its
// node, suspects and nodes away are those that the nodes' rows say, and block records name only
// nodes that the log has admitted.
func checkNodes(w *world) error {
	if uint32(len(w.nodes)) != w.cluster.LastNode || len(w.identities) != len(w.nodes) {
		return broken("nodes", "%d nodes and %d identities where %d were numbered", len(w.nodes), len(w.identities), w.cluster.LastNode)
	}
	rows := make([]*record.Node, len(w.nodes))
	for i, n := range w.nodes {
		rows[i] = n.row
		if id := binary.BigEndian.Uint32(n.key); id != uint32(i+1) || n.row.Incarnation == 0 {
			return broken("nodes", "node %d stands at place %d, incarnation %d", id, i+1, n.row.Incarnation)
		}
		if known, ok := get(w.identities, n.row.Identity); !ok || !bytes.Equal(known, n.key) {
			return broken("nodes", "identity %x does not lead to node %d", n.row.Identity, i+1)
		}
	}
	if !slices.EqualFunc(suspects(rows), w.cluster.Suspects, func(x, y *record.Suspect) bool {
		return x.Node == y.Node && fromPB(x.Below) == fromPB(y.Below)
	}) {
		return broken("nodes", "the cluster's list of suspects is not what the nodes say")
	}
	if !slices.Equal(awayNodes(rows), w.cluster.Away) {
		return broken("nodes", "the cluster's list of nodes that are away is not what the nodes say")
	}
	for _, b := range w.blocks {
		for _, named := range [][]uint32{heldNodes(b.row.Copies), heldNodes(b.row.Drops), b.row.Pending} {
			if len(named) > 0 && (named[0] == 0 || named[len(named)-1] > w.cluster.LastNode) {
				return broken("nodes", "block %x names nodes %v of %d", b.key, named, w.cluster.LastNode)
			}
		}
	}
	return nil
}

// checkLayout: every partition names the same number of distinct nodes that blocks
// are placed on.
func checkLayout(w *world) error {
	if w.layout.LayoutVersion != w.cluster.LayoutVersion {
		return broken("layout", "it is of version %d; the cluster is at %d", w.layout.LayoutVersion, w.cluster.LayoutVersion)
	}
	if err := checkOwnTables(w); err != nil {
		return err
	}
	return checkTable(w, w.layout.Table, int(w.layout.Width))
}

func checkTable(w *world, table []byte, width int) error {
	if len(table) != protocol.Partitions*width*placeSize {
		return broken("layout", "a table of width %d has %d bytes", width, len(table))
	}
	// partition[i] is the last partition, plus one, that named node i+1.
	partition := make([]int, len(w.nodes))
	for place := range len(table) / placeSize {
		id := binary.BigEndian.Uint32(table[place*placeSize:])
		if id == 0 || id > uint32(len(w.nodes)) || !placeable(w.nodes[id-1].row) || partition[id-1] == place/width+1 {
			return broken("layout", "partition %d names node %d, which is twice there or not placed on", place/width, id)
		}
		partition[id-1] = place/width + 1
	}
	return nil
}

// checkReferences: what objects, live or in the trash, open uploads and jobs hold, counted per hash, is
// exactly the refs of block records.
func checkReferences(w *world) error {
	held := heldHashes(w)
	slices.SortFunc(held, func(x, y heldReference) int { return bytes.Compare(x.hash, y.hash) })
	at := 0
	for _, b := range w.blocks {
		var found byRedundancy
		for ; at < len(held) && bytes.Equal(held[at].hash, b.key); at++ {
			found[held[at].redundancy]++
		}
		if counted := byRedundancyOf(b.row); counted != found {
			return broken("references", "block %x counts %d references by redundancy and %d are held", b.key, counted, found)
		}
	}
	if at < len(held) {
		return broken("references", "block %x is held and has no record, or stands out of order", held[at].hash)
	}
	return nil
}

// heldReference is a reference, and the redundancy that it asks for.
type heldReference struct {
	hash       []byte
	redundancy uint32
}

// heldHashes lists a hash once for each reference: pages stand for the objects,
// uploads and jobs that own them, less what a job has taken back.
func heldHashes(w *world) []heldReference {
	var held []heldReference
	hold := func(packed []byte, from uint64, redundancy uint32) {
		for i := int(from); i < len(packed)/protocol.HashSize; i++ {
			held = append(held, heldReference{hashAt(packed, i), min(redundancy, protocol.MaxRedundancy)})
		}
	}
	eachObject(w, func(o *record.Object) { hold(o.Blocks.GetHashes(), 0, o.Redundancy) })
	for _, j := range w.jobs {
		hold(j.row.Blocks.GetHashes(), j.row.Cursor, j.row.Redundancy)
	}
	jobs := jobsByUpload(w)
	for _, p := range w.pages {
		job, _ := get(jobs, p.key[:16])
		hold(p.row.Blocks.GetHashes(), max(job.GetCursor(), p.row.FirstBlock)-p.row.FirstBlock, p.row.Redundancy)
	}
	return held
}

// jobsByUpload lists the jobs that take pages back.
func jobsByUpload(w *world) []keyed[*record.Job] {
	var jobs []keyed[*record.Job]
	for _, j := range w.jobs {
		if len(j.row.Upload) > 0 {
			jobs = append(jobs, keyed[*record.Job]{j.row.Upload, j.row})
		}
	}
	slices.SortFunc(jobs, func(x, y keyed[*record.Job]) int { return bytes.Compare(x.key, y.key) })
	return jobs
}

// checkCounters: the counters kept by apply are those of a recount.
func checkCounters(r Reader, w *world) error {
	counted, err := Recount(r)
	if err != nil {
		return err
	}
	kept, err := w.cluster.Counters.MarshalVT()
	if err != nil {
		return err
	}
	again, err := counted.MarshalVT()
	if err == nil && !bytes.Equal(kept, again) {
		return broken("counters", "kept %v, recounted %v", w.cluster.Counters, counted)
	}
	return err
}
