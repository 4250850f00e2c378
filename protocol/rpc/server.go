package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// ServerConfig says how a Server behaves. Zero fields take the defaults of
// limits.go.
type ServerConfig struct {
	// Name stands in the log.
	Name string
	// Cluster returns the server's cluster, or the zero ID while it has none. It
	// is called for every request, from many goroutines.
	Cluster func() protocol.ID
	Logger  *slog.Logger
	// MaxBody bounds a request's body, in bytes; LimitBody sets it for a path.
	MaxBody int
	// StreamBodies leaves bodies on the connection until a HandleRaw handler reads
	// them with Body. Without it they are read before any handler runs, and as
	// many bytes as are declared are taken at once for each connection.
	StreamBodies bool
	// Concurrency bounds the requests in flight; at it: Busy.
	Concurrency int
	// MaxConns bounds the connections, MaxConnsPerAddress those of one IP.
	MaxConns           int
	MaxConnsPerAddress int
	// ReadTimeout bounds the reading of one request, on top of the time that its
	// body needs at MinBodyRate.
	ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	// RequestTimeout bounds the context that a handler is given.
	RequestTimeout time.Duration
}

// Stats are the counts of a Server since its start.
type Stats struct {
	// Requests were taken in, InFlight are being worked on.
	Requests uint64
	InFlight int64
	// Busy were refused at Concurrency, Panics broke a handler, Malformed never
	// became a request.
	Busy, Panics, Malformed uint64
	// Conns are open, ConnsRefused were turned away at a limit.
	Conns        int
	ConnsRefused uint64
}

// Server is the serving end. Register every path before Serve.
type Server struct {
	cfg    ServerConfig
	http   fasthttp.Server
	routes routes
	ids    requestIDs
	conns  conns

	// base ends when connections are cut; every request's context stems from it.
	base context.Context
	cut  context.CancelFunc

	requests, busy, panics, malformed atomic.Uint64
	inFlight                          atomic.Int64

	mu        sync.Mutex
	stopped   bool
	listeners []net.Listener
}

// NewServer returns a server that does not listen yet.
func NewServer(cfg ServerConfig) *Server {
	s := &Server{cfg: cfg.withDefaults(), ids: newRequestIDs()}
	s.base, s.cut = context.WithCancel(context.Background())
	s.routes.exact = map[string]*route{}
	s.conns.init(s.cfg.MaxConnsPerAddress)
	s.http = fasthttp.Server{
		Handler:                      s.serve,
		ErrorHandler:                 s.refuse,
		HeaderReceived:               s.allowance,
		ConnState:                    s.conns.state,
		Logger:                       quiet{s.cfg.Logger},
		Concurrency:                  s.cfg.MaxConns,
		ReadBufferSize:               MaxHeader,
		ReadTimeout:                  s.cfg.ReadTimeout,
		WriteTimeout:                 s.cfg.WriteTimeout,
		IdleTimeout:                  s.cfg.IdleTimeout,
		MaxRequestBodySize:           s.cfg.MaxBody,
		StreamRequestBody:            s.cfg.StreamBodies,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		SecureErrorLogMessage:        true,
		CloseOnShutdown:              true,
	}
	return s
}

func (c ServerConfig) withDefaults() ServerConfig {
	if c.Cluster == nil {
		c.Cluster = func() protocol.ID { return protocol.ID{} }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Name != "" {
		c.Logger = c.Logger.With("server", c.Name)
	}
	setInt(&c.MaxBody, protocol.MaxMetaRequest)
	setInt(&c.Concurrency, DefaultConcurrency)
	setInt(&c.MaxConns, DefaultMaxConns)
	setInt(&c.MaxConnsPerAddress, DefaultMaxConnsPerAddress)
	setTime(&c.ReadTimeout, DefaultReadTimeout)
	setTime(&c.WriteTimeout, DefaultWriteTimeout)
	setTime(&c.IdleTimeout, DefaultIdleTimeout)
	setTime(&c.RequestTimeout, DefaultRequestTimeout)
	return c
}

func setInt(v *int, other int) {
	if *v <= 0 {
		*v = other
	}
}

func setTime(v *time.Duration, other time.Duration) {
	if *v <= 0 {
		*v = other
	}
}

// Serve answers ln's connections until Shutdown, and then returns nil.
func (s *Server) Serve(ln net.Listener) error {
	ln = Patient(ln, s.cfg.Logger)
	s.mu.Lock()
	stopped := s.stopped
	s.listeners = append(s.listeners, ln)
	s.mu.Unlock()
	if stopped {
		return errors.Join(fmt.Errorf("rpc: server %s was shut down", s.cfg.Name), ln.Close())
	}
	if err := s.http.Serve(ln); err != nil {
		return fmt.Errorf("rpc: serve %s: %w", ln.Addr(), err)
	}
	return nil
}

// Shutdown stops listening, lets requests in flight end until ctx does, and
// then cuts every connection and ends every request's context. It returns ctx's
// error if it had to cut.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	for _, ln := range s.listeners {
		_ = ln.Close()
	}
	s.mu.Unlock()
	err := s.http.ShutdownWithContext(ctx)
	if errors.Is(err, net.ErrClosed) {
		// The listeners, which are closed above so that Serve may come later.
		err = nil
	}
	s.cut()
	s.conns.closeAll()
	return err
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	open, refused := s.conns.count()
	return Stats{
		Requests: s.requests.Load(), InFlight: s.inFlight.Load(),
		Busy: s.busy.Load(), Panics: s.panics.Load(), Malformed: s.malformed.Load(),
		Conns: open, ConnsRefused: refused,
	}
}

// allowance is asked when a request's headers are in: how large may its body be
// and how long may it take.
func (s *Server) allowance(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	most := s.cfg.MaxBody
	if path, _, err := splitTarget(h.RequestURI()); err != nil {
		most = 1
	} else if r := s.routes.find(path); r != nil && r.maxBody > 0 {
		most = r.maxBody
	}
	size := h.ContentLength()
	if size < 0 || size > most {
		size = most
	}
	if size == 0 {
		return fasthttp.RequestConfig{MaxRequestBodySize: most}
	}
	slowest := time.Duration(size) * time.Second / MinBodyRate
	return fasthttp.RequestConfig{MaxRequestBodySize: most, ReadTimeout: s.cfg.ReadTimeout + slowest}
}

// refuse answers what never became a request; the connection closes after it.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, err error) {
	s.malformed.Add(1)
	e := &protocol.Error{Kind: protocol.InvalidArgument, Detail: "not an HTTP/1.1 request that this server reads", Err: err}
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		e.Kind, e.Detail = protocol.TooLarge, "the body is larger than this path takes"
		if _, _, bad := splitTarget(ctx.Request.Header.RequestURI()); bad != nil {
			e = protocol.AsError(bad)
		}
	case errors.As(err, &small):
		e.Kind, e.Detail = protocol.TooLarge, fmt.Sprintf("request line and headers have at most %d bytes", MaxHeader)
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.Kind, e.Detail = protocol.ShortBody, "the request broke off"
	case errors.As(err, &timeout) && timeout.Timeout():
		e.Kind, e.Detail = protocol.ShortBody, "the request came too slowly"
	}
	ctx.Response.Reset()
	id := ctx.Request.Header.Peek(protocol.HeaderRequest)
	if len(id) == 0 || checkRequestID(id) != nil {
		id = s.ids.next()
	}
	s.sign(ctx, id)
	writeProblem(ctx, e, string(id))
	if errors.Is(err, fasthttp.ErrBodyTooLarge) {
		linger(ctx)
	}
}

// linger answers at once and lets the peer finish writing what nobody reads:
// closing before it has would take the answer away from it.
func linger(ctx *fasthttp.RequestCtx) {
	conn := ctx.Conn()
	_ = conn.SetDeadline(time.Now().Add(lingerTime))
	ctx.Response.Header.SetConnectionClose()
	if _, err := ctx.Response.WriteTo(conn); err != nil {
		return
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_, _ = io.CopyN(io.Discard, conn, lingerBytes)
	_ = conn.Close()
}

// quiet passes fasthttp's own remarks, which peers can cause at will, to the
// log's debug level.
type quiet struct{ log *slog.Logger }

// Printf is fasthttp's Logger.
func (q quiet) Printf(format string, args ...any) {
	if q.log.Enabled(context.Background(), slog.LevelDebug) {
		q.log.Debug("http", "remark", strings.ToValidUTF8(fmt.Sprintf(format, args...), "?"))
	}
}
