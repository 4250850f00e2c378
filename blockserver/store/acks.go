package store

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"sync"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// The file data/ashlar-acks has two slots of 72 bytes, 4,096 bytes apart, written
// in turns, so that a torn write leaves the other. It never changes its length.
// Big endian:
//
//	offset size
//	     0    4  "ASHA"
//	     4    2  format: 1
//	     6    2  flags: bit 0 says that the store was closed in order
//	     8    8  sequence: the higher good slot counts
//	    16    8  acknowledgements
//	    24   12  highest version met: generation uint32 │ counter uint64
//	    36    8  block files
//	    44    8  bytes of block files
//	    52   16  disk id
//	    68    4  CRC32C of bytes 0 to 67
const (
	acksSign     = "ASHA"
	acksFormat   = 1
	acksClean    = 1
	acksSlotSize = 72
	acksSlotGap  = 4096
	acksFileSize = 2 * acksSlotGap
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// tally is the content of a slot. Blocks and bytes are exact only if clean.
type tally struct {
	clean    bool
	sequence uint64
	acks     uint64
	highest  protocol.Version
	blocks   uint64
	bytes    uint64
	disk     protocol.ID
}

func (t *tally) encode() []byte {
	b := make([]byte, 0, acksSlotSize)
	b = append(b, acksSign...)
	b = binary.BigEndian.AppendUint16(b, acksFormat)
	var flags uint16
	if t.clean {
		flags = acksClean
	}
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint64(b, t.sequence)
	b = binary.BigEndian.AppendUint64(b, t.acks)
	b = t.highest.AppendBinary(b)
	b = binary.BigEndian.AppendUint64(b, t.blocks)
	b = binary.BigEndian.AppendUint64(b, t.bytes)
	b = append(b, t.disk[:]...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeTally(b []byte) (t tally, good bool) {
	if len(b) < acksSlotSize || string(b[:4]) != acksSign || binary.BigEndian.Uint16(b[4:]) != acksFormat ||
		binary.BigEndian.Uint32(b[68:]) != crc32.Checksum(b[:68], castagnoli) {
		return tally{}, false
	}
	highest, err := protocol.VersionFromBytes(b[24:36])
	return tally{
		clean:    binary.BigEndian.Uint16(b[6:])&acksClean != 0,
		sequence: binary.BigEndian.Uint64(b[8:]),
		acks:     binary.BigEndian.Uint64(b[16:]),
		highest:  highest,
		blocks:   binary.BigEndian.Uint64(b[36:]),
		bytes:    binary.BigEndian.Uint64(b[44:]),
		disk:     protocol.ID(b[52:68]),
	}, err == nil
}

// parseAcks returns the newer good slot; a file without one is Corrupt, because
// the count that it held would have given a rollback away.
func parseAcks(content []byte) (tally, error) {
	var best tally
	found := false
	for at := 0; at+acksSlotSize <= len(content) && at < acksFileSize; at += acksSlotGap {
		if t, good := decodeTally(content[at:]); good && (!found || t.sequence > best.sequence) {
			best, found = t, true
		}
	}
	if !found {
		return tally{}, protocol.Errorf(protocol.Corrupt, "neither slot of %s is readable", nameAcks)
	}
	return best, nil
}

// newAcks returns the first content of the file.
func newAcks(disk protocol.ID) []byte {
	t := tally{clean: true, sequence: 1, disk: disk}
	content := make([]byte, acksFileSize)
	copy(content[acksSlotGap:], t.encode())
	return content
}

// acks is a disk's count and the committer that raises it.
type acks struct {
	disk *disk
	file durable.File
	jobs chan *job
	// done is closed when the committer has ended; nil before it has started.
	done chan struct{}

	mu sync.Mutex
	// now is what the file's newer slot says, except for met.
	now tally
	// met is the highest version met so far; the next slot written carries it.
	met protocol.Version
}

func openAcks(d *disk) (*acks, error) {
	content, err := durable.Read(d.fs, nameAcks, acksFileSize)
	if err != nil {
		return nil, d.trouble("read "+nameAcks, err)
	}
	now, err := parseAcks(content)
	if err != nil {
		return nil, err
	}
	if now.disk != d.marker.Disk {
		return nil, protocol.Errorf(protocol.Corrupt, "%s/%s counts for disk %s; the marker names %s", d.path, nameAcks, now.disk, d.marker.Disk)
	}
	file, err := d.fs.OpenUpdate(nameAcks)
	if err != nil {
		return nil, d.trouble("open "+nameAcks, err)
	}
	return &acks{disk: d, file: file, now: now, met: now.highest, jobs: make(chan *job, maxCommit)}, nil
}

// meet raises the highest version met. It is durable with the next slot.
func (a *acks) meet(v protocol.Version) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.met = a.met.Max(v)
}

func (a *acks) highest() protocol.Version {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.met
}

func (a *acks) durable() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now.acks
}

// write makes one more slot durable, with count acknowledgements more.
func (a *acks) write(count int, clean bool) error {
	a.mu.Lock()
	next := a.now
	next.highest = a.met
	a.mu.Unlock()
	next.clean = clean
	next.sequence++
	next.acks += uint64(count)
	next.blocks = uint64(max(a.disk.blocks.Load(), 0))
	next.bytes = uint64(max(a.disk.used.Load(), 0))
	at := int64(next.sequence%2) * acksSlotGap
	if _, err := a.file.WriteAt(next.encode(), at); err != nil {
		return a.disk.fail("write "+nameAcks, err)
	}
	if err := a.file.Datasync(); err != nil {
		return a.disk.fail("sync "+nameAcks, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = next
	return nil
}

// close waits for the committer and notes that the counts are exact.
func (a *acks) close() error {
	if a.done != nil {
		close(a.jobs)
		<-a.done
	}
	if a.disk.usable() != nil {
		return a.file.Close()
	}
	return errors.Join(a.write(0, true), a.file.Close())
}

// maxCommit bounds the acknowledgements that one round of the committer counts
// together, and those that wait for the next.
const maxCommit = 256

// job is one operation's wish to be counted. What it acknowledges is durable
// before it is submitted.
type job struct {
	ack  uint64
	err  error
	done chan struct{}
}

// submit hands a job to the committer, which serves in order.
func (a *acks) submit() *job {
	j := &job{done: make(chan struct{})}
	a.jobs <- j
	return j
}

// offer is submit for who may give up, Canceled, while a disk that stands still has
// no place for another job.
func (a *acks) offer(ctx context.Context) (*job, error) {
	j := &job{done: make(chan struct{})}
	select {
	case a.jobs <- j:
		return j, nil
	case <-ctx.Done():
		return nil, canceled(ctx.Err())
	}
}

// wait returns the acknowledgement number, once the count is durable.
func (j *job) wait(ctx context.Context) (uint64, error) {
	select {
	case <-j.done:
		return j.ack, j.err
	case <-ctx.Done():
		return 0, protocol.Errorf(protocol.UnknownOutcome, "the caller gave up while the disk was syncing: %w", ctx.Err())
	}
}

// start runs the committer.
func (a *acks) start() {
	a.done = make(chan struct{})
	go func() {
		defer close(a.done)
		for first := range a.jobs {
			a.round(a.gather(first))
		}
	}()
}

// gather takes who else is waiting.
func (a *acks) gather(first *job) []*job {
	jobs := []*job{first}
	for len(jobs) < maxCommit {
		select {
		case j, open := <-a.jobs:
			if !open {
				return jobs
			}
			jobs = append(jobs, j)
		default:
			return jobs
		}
	}
	return jobs
}

// round counts the jobs with one durable write, then answers them. A disk that
// has failed counts nothing.
func (a *acks) round(jobs []*job) {
	base := a.durable()
	err := a.disk.usable()
	if err == nil {
		err = a.write(len(jobs), false)
	}
	for i, j := range jobs {
		if j.err = err; err == nil {
			j.ack = base + uint64(i) + 1
		}
		close(j.done)
	}
}
