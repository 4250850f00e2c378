package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// A session's low-water mark says that no upload with a version below it is still
// in flight (reclamation.md, Lag of W). It begins at the version that opened the
// session and rises with the requests that report it. A request may also say that
// no upload is in flight at all: until one says otherwise, only uploads that were
// begun since may be. Both only decide when Reap is tried: a commit below W is
// refused and retried, never wrong.

// raiseLowWater takes a report over. The mark never falls, nor passes the present
// version.
func raiseLowWater(s *record.Session, call *pb.Call, present protocol.Version) {
	s.NoneUploading = call.NoneUploading
	if v := fromPB(call.OldestUpload); fromPB(s.OldestUpload).Less(v) && !present.Less(v) {
		s.OldestUpload = toPB(v)
	}
}

// LowWater is what the open sessions say of uploads in flight.
type LowWater struct {
	// Open is how many sessions are open, Uploading how many of them may have
	// uploads in flight that they have said so of.
	Open, Uploading int
	// Lowest is the lowest mark of the open sessions, OfUploading that of those with
	// uploads in flight; zero where there are none.
	Lowest, OfUploading protocol.Version
}

// SessionsLowWater reads the marks of the open sessions.
func SessionsLowWater(r Reader) (w LowWater, err error) {
	err = scanRows(r, []byte{tableSessions}, func(_ []byte, s *record.Session) bool {
		mark := fromPB(s.OldestUpload)
		if w.Open == 0 || mark.Less(w.Lowest) {
			w.Lowest = mark
		}
		w.Open++
		if s.NoneUploading {
			return true
		}
		if w.Uploading == 0 || mark.Less(w.OfUploading) {
			w.OfUploading = mark
		}
		w.Uploading++
		return true
	})
	return w, err
}
