package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// startGeneration has versions go on in a new generation (reclamation.md,
// Generation): the word of an operator that the metadata was put back.
func (s *server) startGeneration(ctx context.Context, q StartGeneration) (Generation, error) {
	met, err := s.highestMet(ctx)
	if err != nil {
		return Generation{}, err
	}
	if q.IfMet != nil && *q.IfMet != met {
		return Generation{}, protocol.Errorf(protocol.Changed, "the highest generation met is %d, not %d", met, *q.IfMet)
	}
	a := Generation{By: s.cfg.Self, Generation: q.Generation, Met: met}
	if a.Generation == 0 {
		a.Generation = met + 1
	}
	_, err = s.propose(ctx, &record.Command{Body: &record.Command_StartGeneration{StartGeneration: &record.StartGeneration{
		Generation: a.Generation, PausedClasses: state.HeldByRestore,
	}}})
	return a, err
}

// highestMet is the highest generation that the metadata knows of.
func (s *server) highestMet(ctx context.Context) (uint32, error) {
	v, err := s.cfg.Replica.View(ctx, pb.Level_LEVEL_LINEARIZABLE, protocol.Version{})
	if err != nil {
		return 0, err
	}
	defer func() { _ = v.Close() }()
	c, err := state.ClusterRow(v)
	return state.HighestGeneration(c), err
}

// backup streams the state as of now. An error after the first byte cuts the
// stream, which the reader finds not to have its hash.
func (s *server) backup(w http.ResponseWriter, r *http.Request) {
	out := &lazy{w: w}
	err := s.cfg.Replica.Backup(r.Context(), out)
	s.cfg.Logger.Info("backup", "from", r.RemoteAddr, "bytes", out.n, "error", err)
	switch {
	case err == nil:
	case out.n == 0:
		fail(w, s.explain(r.Context(), err))
	default:
		panic(http.ErrAbortHandler)
	}
}

// backupPace is how long the reader of a backup may take for each piece.
const backupPace = time.Minute

// lazy sends its header with the first bytes.
type lazy struct {
	w http.ResponseWriter
	n int64
}

func (l *lazy) Write(p []byte) (int, error) {
	if l.n == 0 {
		l.w.Header().Set("Content-Type", protocol.TypeBytes)
	}
	if err := http.NewResponseController(l.w).SetWriteDeadline(time.Now().Add(backupPace)); err != nil {
		return 0, err
	}
	n, err := l.w.Write(p)
	l.n += int64(n)
	return n, err
}
