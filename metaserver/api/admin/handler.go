package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed-7d21a5b5/ashlar/metaserver/api"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// DefaultTimeout bounds one verb of an operator or member.
const DefaultTimeout = time.Minute

// Replica is what the admin verbs need of a replica besides the log.
type Replica interface {
	api.Log
	AddMember(ctx context.Context, id, raftAddress string) error
	RemoveMember(ctx context.Context, id string) error
	// Removed says that id is no member of the group, as far as this replica has
	// applied the log, nor is to become one.
	Removed(id string) bool
	TransferLeadership(ctx context.Context) error
	Snapshot() error
	Backup(ctx context.Context, w io.Writer) error
}

// Config wires the admin port. All fields but Logger, Now and Timeout are required.
type Config struct {
	Replica Replica
	Group   func() api.Group
	Self    string
	// Cluster is the zero ID while none is known.
	Cluster func() protocol.ID
	// Ready returns why this server is not ready; nil: it is.
	Ready    func() error
	Gatherer prometheus.Gatherer
	Logger   *slog.Logger
	// Now is the wall clock, for people; nil: the machine's.
	Now     func() time.Time
	Timeout time.Duration
}

// server holds what the handlers share.
type server struct{ cfg Config }

// New returns the handler of the admin port.
func New(cfg Config) http.Handler {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	s := &server{cfg: cfg}
	mux := http.NewServeMux()
	verb(s, mux, "GET "+PathHello, s.hello)
	verb(s, mux, "POST "+PathJoin, s.join)
	verb(s, mux, "POST "+PathAnnounce, s.announce)
	verb(s, mux, "POST "+PathTransfer, s.transfer)
	verb(s, mux, "POST "+PathSnapshot, s.snapshot)
	verb(s, mux, "POST "+PathRecount, s.recount)
	verb(s, mux, "POST "+PathRemoveMember, s.removeMember)
	verb(s, mux, "POST "+PathGeneration, s.startGeneration)
	mux.HandleFunc("GET "+PathBackup, s.backup)
	mux.HandleFunc("GET "+PathHealth, func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET "+PathReady, s.ready)
	mux.Handle("GET "+PathMetrics, promhttp.HandlerFor(cfg.Gatherer, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: cfg.Timeout}))
	mux.HandleFunc("GET "+PathProfiles, pprof.Index)
	mux.HandleFunc("GET "+PathProfiles+"cmdline", pprof.Cmdline)
	mux.HandleFunc("GET "+PathProfiles+"profile", pprof.Profile)
	mux.HandleFunc("GET "+PathProfiles+"symbol", pprof.Symbol)
	mux.HandleFunc("GET "+PathProfiles+"trace", pprof.Trace)
	return s.outermost(mux)
}

// outermost stamps every answer with the cluster, refuses requests for another
// one, and turns the mux's own refusals into problems.
func (s *server) outermost(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ours := s.cfg.Cluster()
		if !ours.IsZero() {
			w.Header().Set(protocol.HeaderCluster, ours.String())
		}
		if named := r.Header.Get(protocol.HeaderCluster); named != "" && named != ours.String() {
			fail(w, protocol.Errorf(protocol.WrongCluster, "this is cluster %s, not %s", ours, protocol.Quote(named)))
			return
		}
		if _, pattern := mux.Handler(r); pattern == "" {
			fail(w, unknown(mux, r))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// unknown tells a path that does not exist from one that takes another method.
func unknown(mux *http.ServeMux, r *http.Request) error {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "" {
			return protocol.Errorf(protocol.MethodNotAllowed, "%s takes %s", protocol.Quote(r.URL.Path), method)
		}
	}
	return protocol.Errorf(protocol.NotFound, "no such path: %s", protocol.Quote(r.URL.Path))
}

// verb registers one JSON verb: strict body in, plain struct or problem out.
func verb[Q, A any](s *server, mux *http.ServeMux, pattern string, fn func(context.Context, Q) (A, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		var q Q
		if err := decode(w, r, &q); err != nil {
			fail(w, err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Timeout)
		defer cancel()
		a, err := fn(ctx, q)
		if r.Method == http.MethodPost {
			s.cfg.Logger.Info("admin verb", "verb", pattern, "from", r.RemoteAddr, "error", err)
		}
		if err != nil {
			fail(w, s.explain(ctx, err))
			return
		}
		answer(w, http.StatusOK, protocol.TypeJSON, a)
	})
}

// decode reads one JSON value, nothing unknown and nothing after it; no body at
// all is the empty value.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxBody))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one JSON value")
		}
	}
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return protocol.Errorf(protocol.TooLarge, "an admin request has at most %d bytes", MaxBody)
	case err != nil:
		return protocol.Errorf(protocol.InvalidArgument, "the body is not the JSON that this verb takes: %v", err)
	}
	return nil
}

func answer(w http.ResponseWriter, status int, mediaType string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		plain(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

func fail(w http.ResponseWriter, err error) {
	e := protocol.AsError(err)
	answer(w, e.Kind.HTTPStatus(), protocol.TypeProblem, problem{
		Type: "about:blank", Title: http.StatusText(e.Kind.HTTPStatus()), Status: e.Kind.HTTPStatus(),
		Kind: e.Kind.String(), Detail: e.Detail, Leader: e.Leader,
	})
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}
