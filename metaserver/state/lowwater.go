package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// A session's low-water mark says that no upload with a version below it is still
// in flight (reclamation.md, Lag of W). It begins at the version that opened the
// session and rises with the requests that report it. It only decides when Reap
// is tried: a commit below W is refused and retried, never wrong.

// raiseLowWater takes a report over. It never falls, nor passes the present
// version.
func raiseLowWater(s *record.Session, reported *pb.Version, present protocol.Version) {
	if v := fromPB(reported); fromPB(s.OldestUpload).Less(v) && !present.Less(v) {
		s.OldestUpload = toPB(v)
	}
}

// SessionsLowWater returns the lowest mark of the open sessions, and how many are
// open: without one there is no mark.
func SessionsLowWater(r Reader) (low protocol.Version, open int, err error) {
	err = scanRows(r, []byte{tableSessions}, func(_ []byte, s *record.Session) bool {
		if v := fromPB(s.OldestUpload); open == 0 || v.Less(low) {
			low = v
		}
		open++
		return true
	})
	return low, open, err
}
