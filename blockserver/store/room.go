package store

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Marks say how full a disk may become, in percent of its capacity. A disk that
// would pass High takes no new block until it is below Low, so that one at the
// brim does not change its mind with every block. Touches and deletes always work.
// All zero: no marks, and only the file system and Capacity bound it.
type Marks struct {
	High, Low uint32
	// Reserve is kept below High for copies that the leader orders, because making
	// lost redundancy again comes before new data: clients' blocks are refused that
	// much earlier.
	Reserve uint32
}

// DefaultMarks leave room for what a file system needs to stay quick.
var DefaultMarks = Marks{High: 95, Low: 90, Reserve: 2}

// Check returns InvalidArgument for marks that make no sense.
func (m Marks) Check() error {
	if m == (Marks{}) {
		return nil
	}
	if m.High > 100 || m.Reserve >= m.High || m.Low > m.High-m.Reserve {
		return refuse("watermarks are percentages with low <= high - reserve and high <= 100, not low %d, high %d, reserve %d", m.Low, m.High, m.Reserve)
	}
	return nil
}

// purpose is what a new block is for.
type purpose int

const (
	forClient purpose = iota
	forOrder
)

func (r *PutRequest) purpose() purpose {
	if r.Ordered {
		return forOrder
	}
	return forClient
}

// capacityAndRoom returns the bytes that block files may take in all, and those
// that new ones may take.
func (d *disk) capacityAndRoom() (capacity, room uint64, err error) {
	space, err := d.fs.Space()
	if err != nil {
		return 0, 0, d.trouble("statfs", err)
	}
	if d.capacity == 0 {
		taken := uint64(max(d.reserved.Load(), 0))
		return space.Total, space.Free - min(taken, space.Free), nil
	}
	capacity = min(d.capacity, space.Total)
	taken := uint64(max(d.used.Load()+d.reserved.Load(), 0))
	return capacity, min(space.Free, capacity-min(taken, capacity)), nil
}

// takes returns Full while the disk's marks refuse size more bytes.
func (d *disk) takes(why purpose, size int64) error {
	if d.marks.High == 0 {
		return nil
	}
	capacity, room, err := d.capacityAndRoom()
	if err != nil {
		return err
	}
	high := d.marks.High
	if why == forClient {
		high -= d.marks.Reserve
	}
	taken, full := capacity-min(room, capacity), &d.full[why]
	switch {
	case taken+uint64(size) > share(capacity, high):
		full.Store(true)
	case taken < share(capacity, d.marks.Low):
		full.Store(false)
	}
	if full.Load() {
		return protocol.Errorf(protocol.Full, "%s is full: %d of %d bytes are taken; above %d%% it takes no new blocks until it is below %d%%", d.path, taken, capacity, high, d.marks.Low)
	}
	return nil
}

func share(n uint64, percent uint32) uint64 { return n/100*uint64(percent) + n%100*uint64(percent)/100 }

// reserve takes size bytes out of the disk's room, or answers Full.
func (d *disk) reserve(size int64) error {
	taken := d.reserved.Add(size) + d.used.Load()
	if d.capacity != 0 && uint64(max(taken, 0)) > d.capacity {
		d.reserved.Add(-size)
		return protocol.Errorf(protocol.Full, "%s holds its capacity of %d bytes", d.path, d.capacity)
	}
	return nil
}

// choose returns, of the working disks that take size more bytes, the one with
// the most room; equals by their order.
func (s *Store) choose(why purpose, size int64) (*disk, error) {
	var best *disk
	var most uint64
	var failed error
	for _, d := range s.disks {
		room, err := d.offers(why, size, len(s.disks) == 1)
		if err != nil {
			failed = err
			continue
		}
		if best == nil || room > most {
			best, most = d, room
		}
	}
	if best == nil {
		return nil, failed
	}
	return best, nil
}

// offers returns the disk's room, or why it takes nothing. The room of an only
// disk is not asked for.
func (d *disk) offers(why purpose, size int64, only bool) (room uint64, err error) {
	if err := d.usable(); err != nil {
		return 0, err
	}
	if err := d.takes(why, size); err != nil || only {
		return 0, err
	}
	_, room, err = d.capacityAndRoom()
	return room, err
}

// Refuses returns Full if a client's put of h could only be refused: no disk takes
// a new block, and none holds h. It is for refusing before the bytes are sent; Put
// decides.
func (s *Store) Refuses(h protocol.Hash) error {
	if s.enterReading(context.Background()) != nil {
		return nil
	}
	defer s.leave()
	_, err := s.choose(forClient, 0)
	if protocol.KindOf(err) != protocol.Full || len(s.locate(h)) > 0 {
		return nil
	}
	return err
}
