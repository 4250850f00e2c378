package state

import (
	"encoding/binary"
	"math/bits"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// checkObjects: names and contents are well-formed and no version is above the
// present one.
func checkObjects(w *world) error {
	for _, o := range w.objects {
		bucket, name := splitObjectKey(append([]byte{tableObjects}, o.key...))
		if err := checkObjectName(bucket, name); err != nil {
			return broken("objects", "key %x: %v", o.key, err)
		}
		version := fromPB(o.row.Version)
		if version.IsZero() || versionOf(w.cluster).Less(version) {
			return broken("objects", "%s/%s is at version %s", bucket, name, version)
		}
		if err := checkContentOf(w, o.row); err != nil {
			return broken("objects", "%s/%s %v", bucket, name, err)
		}
	}
	return nil
}

func blocksIn(b *pb.Blocks) (count, size uint64) {
	for _, plain := range b.GetPlainSizes() {
		size += uint64(plain)
	}
	return uint64(len(b.GetPlainSizes())), size
}

// checkUploads: an open upload belongs to an open session, which lists and counts
// it; a closed one to exactly one object, live or in the trash, or job.
func checkUploads(w *world) error {
	owned := 0
	eachObject(w, func(o *record.Object) {
		if len(o.Upload) > 0 {
			owned++
		}
	})
	for _, j := range w.jobs {
		if len(j.row.Upload) > 0 {
			owned++
		}
	}
	open := 0
	for _, u := range w.uploads {
		if u.row.Closed {
			owned--
			continue
		}
		open++
		if _, listed := get(w.sessionUploads, append(append([]byte(nil), u.row.Session...), u.key...)); !listed {
			return broken("uploads", "open upload %x is not listed by its session %x", u.key, u.row.Session)
		}
	}
	if owned != 0 || open != len(w.sessionUploads) {
		return broken("uploads", "closed uploads are owned %+d times too often; %d are open and %d listed", owned, open, len(w.sessionUploads))
	}
	for _, s := range w.sessions {
		if listed := below(w.sessionUploads, s.key); uint32(len(listed)) != s.row.Uploads {
			return broken("uploads", "session %x counts %d uploads and lists %d", s.key, s.row.Uploads, len(listed))
		}
	}
	return nil
}

// checkPages: the pages of an upload follow each other without a gap, from its
// begin, or from where its job has come, to its end.
func checkPages(w *world) error {
	jobs := jobsByUpload(w)
	seen := 0
	for _, u := range w.uploads {
		var offset, block uint64
		if job, ok := get(jobs, u.key); ok {
			offset, block = job.PagesEnd, job.Cursor
		}
		for i, p := range below(w.pages, u.key) {
			count, size := blocksIn(p.row.Blocks)
			inside := i == 0 && p.row.FirstBlock <= block && block < p.row.FirstBlock+count
			if p.row.Offset != offset || p.row.FirstBlock != block && !inside {
				return broken("pages", "page %x begins at byte %d, block %d; expected %d, %d", p.key, p.row.Offset, p.row.FirstBlock, offset, block)
			}
			offset, block = offset+size, p.row.FirstBlock+count
			if binary.BigEndian.Uint64(p.key[16:]) != offset {
				return broken("pages", "page %x ends at byte %d", p.key, offset)
			}
			seen++
		}
		if offset != u.row.Size || block != u.row.BlockCount {
			return broken("pages", "upload %x has %d bytes, %d blocks; its pages end at %d, %d", u.key, u.row.Size, u.row.BlockCount, offset, block)
		}
	}
	if seen != len(w.pages) {
		return broken("pages", "%d pages of no upload", len(w.pages)-seen)
	}
	return nil
}

// checkJobs: a job has something left to take back, and one content.
func checkJobs(w *world) error {
	for _, j := range w.jobs {
		count, _ := blocksIn(j.row.Blocks)
		if len(j.row.Upload) > 0 {
			upload, ok := get(w.uploads, j.row.Upload)
			if !ok || !upload.Closed || count > 0 {
				return broken("jobs", "job %x names upload %x, which is open or gone", j.key, j.row.Upload)
			}
			count = upload.BlockCount
		}
		version, err := protocol.VersionFromBytes(j.key)
		if err != nil || versionOf(w.cluster).Less(version) || count != j.row.BlockCount || j.row.Cursor >= count {
			return broken("jobs", "job %s is at %d of %d references, content %d", version, j.row.Cursor, j.row.BlockCount, count)
		}
	}
	return nil
}

// checkSessions: a session was opened at a version that there was (a row of before
// says nothing of it), has a result for each sequence that it marks as done, all of
// them inside its window, and no result is without a session.
func checkSessions(w *world) error {
	results := 0
	for _, s := range w.sessions {
		if opened := fromPB(s.row.Opened); versionOf(w.cluster).Less(opened) {
			return broken("sessions", "session %x was opened at %s, and the present version is %s", s.key, opened, versionOf(w.cluster))
		}
		lowest, highest := s.row.LowestUnacked, s.row.Highest
		if lowest == 0 || lowest > 1 && highest < lowest || s.row.Done != 0 && highest < lowest+uint64(bits.Len64(s.row.Done))-1 {
			return broken("sessions", "session %x begins at %d, done %b, highest %d", s.key, lowest, s.row.Done, highest)
		}
		for done := s.row.Done; done != 0; done &= done - 1 {
			sequence := lowest + uint64(bits.TrailingZeros64(done))
			result, ok := get(w.results, keyResult(s.key, sequence)[1:])
			if !ok || result.Detail != "" {
				return broken("sessions", "session %x has no plain result for sequence %d", s.key, sequence)
			}
			results++
		}
	}
	if results != len(w.results) {
		return broken("sessions", "%d results of no session or outside its window", len(w.results)-results)
	}
	return nil
}
