package state

import (
	"bytes"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// HolderPage is what Holders found in some rows.
type HolderPage struct {
	Holders []*pb.Holder
	// Scanned counts the rows looked at.
	Scanned int
	// Next is where to go on; nil: all rows were looked at.
	Next []byte
}

// Holders looks through up to limit rows, from after on (nil: from the
// beginning), for objects, those in the trash, uploads and jobs that refer to a block. There is no
// index for this: it is for people who ask about one block. A row of a large
// object is one of its pages; its references are told page by page.
func Holders(r Reader, h protocol.Hash, after []byte, limit int) (HolderPage, error) {
	s := &holderScan{r: r, hash: h[:], limit: limit}
	for _, table := range []struct {
		prefix byte
		judge  func(key, value []byte) error
	}{{tableJobs, s.job}, {tableObjects, s.object}, {tablePages, s.page}, {tableTrash, s.trashed}} {
		lower := []byte{table.prefix}
		if bytes.Compare(after, lower) > 0 {
			lower = after
		}
		upper := keysAbove([]byte{table.prefix})
		if bytes.Compare(lower, upper) >= 0 {
			continue
		}
		if err := s.scan(lower, upper, table.judge); err != nil || s.out.Next != nil {
			return s.out, err
		}
	}
	return s.out, nil
}

type holderScan struct {
	r     Reader
	hash  []byte
	limit int
	out   HolderPage
}

func (s *holderScan) scan(lower, upper []byte, judge func(key, value []byte) error) error {
	var failed error
	err := s.r.Scan(lower, upper, func(key, value []byte) bool {
		if s.out.Scanned >= s.limit {
			s.out.Next = bytes.Clone(key)
			return false
		}
		s.out.Scanned++
		failed = judge(key, value)
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	return err
}

// count is how often a packed list names the hash, from block from on.
func (s *holderScan) count(packed []byte, from uint64) (n uint64) {
	for i := int(from); i < len(packed)/protocol.HashSize; i++ {
		if bytes.Equal(hashAt(packed, i), s.hash) {
			n++
		}
	}
	return n
}

func (s *holderScan) add(h *pb.Holder) {
	if h.References > 0 {
		s.out.Holders = append(s.out.Holders, h)
	}
}

func (s *holderScan) job(key, value []byte) error {
	var j record.Job
	if err := decode(key, value, &j); err != nil {
		return err
	}
	ended, err := protocol.VersionFromBytes(key[1:])
	s.add(&pb.Holder{Kind: "ended object", Version: toPB(ended), References: s.count(j.Blocks.GetHashes(), j.Cursor)})
	return err
}

func (s *holderScan) object(key, value []byte) error {
	var o record.Object
	if err := decode(key, value, &o); err != nil {
		return err
	}
	bucket, name := splitObjectKey(key)
	s.add(&pb.Holder{Kind: "object", Bucket: bucket, Name: name, Version: o.Version, References: s.count(o.Blocks.GetHashes(), 0)})
	return nil
}

func (s *holderScan) trashed(key, value []byte) error {
	var t record.Trashed
	if err := decode(key, value, &t); err != nil {
		return err
	}
	bucket, name, version, err := splitTrashKey(key)
	s.add(&pb.Holder{Kind: "trashed object", Bucket: bucket, Name: name, Version: toPB(version), References: s.count(objectOf(&t).Blocks.GetHashes(), 0)})
	return err
}

// page names the upload; whose it is, no row tells.
func (s *holderScan) page(key, value []byte) error {
	var p record.UploadPage
	if err := decode(key, value, &p); err != nil {
		return err
	}
	id, err := protocol.IDFromBytes(key[1:17])
	s.add(&pb.Holder{Kind: "upload", Name: id.String(), References: s.count(p.Blocks.GetHashes(), 0)})
	return err
}
