package link

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// Config is what a Layer needs.
type Config struct {
	// Listener takes the port's connections; the Layer closes it.
	Listener net.Listener
	// Advertise is the address told to others.
	Advertise string
	// ID is this member's id, Cluster its cluster, zero while it has none.
	ID      string
	Cluster func() protocol.ID
	// Expect names the member that an address belongs to, where it is known.
	Expect func(address string) (id string, known bool)
	// Removed says, on the leader, that id is no member; elsewhere nobody knows.
	Removed func(id string) bool
	// Term answers the term role, Mark the mark role.
	Term func() TermAnswer
	Mark func() (Mark, error)
	// Dial reaches an address; nil is TCP. Tests cut it.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// HandshakeTimeout bounds the exchange of hellos, Silence how long a caller of
	// raft's role may stop within one call.
	HandshakeTimeout, Silence time.Duration
	// MaxConnections bounds the accepted connections that are open at once.
	MaxConnections int
	// MaxCall bounds the bytes of one raft call, MaxInstall those of one
	// InstallSnapshot.
	MaxCall, MaxInstall int64
	Logger              *slog.Logger
}

// Layer is the port. It knows every connection it has made or accepted, and closes
// them all when it closes. Raft takes its role through Stream.
type Layer struct {
	cfg    Config
	accept chan net.Conn
	done   chan struct{}
	group  sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool // true: accepted
	taken  int               // accepted connections, handshakes included
	muted  int               // how many ask for silence
	closed bool
}

// New starts to take connections.
func New(cfg Config) *Layer {
	cfg.Listener = rpc.Patient(cfg.Listener, cfg.Logger)
	l := &Layer{cfg: cfg, accept: make(chan net.Conn), done: make(chan struct{}), conns: map[net.Conn]bool{}}
	l.group.Go(l.listen)
	return l
}

// Addr is the advertised address, as raft tells it to others.
func (l *Layer) Addr() net.Addr { return address(l.cfg.Advertise) }

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

// Close closes the listener and every connection, and waits for what served them.
func (l *Layer) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	close(l.done)
	conns := l.open()
	l.mu.Unlock()
	err := l.cfg.Listener.Close()
	hangUp(conns)
	l.group.Wait()
	return err
}

// Mute hangs up on everybody and makes no connection until the function it
// returns is called, so that the others do without this member.
func (l *Layer) Mute() (unmute func()) {
	l.mu.Lock()
	l.muted++
	conns := l.open()
	l.mu.Unlock()
	hangUp(conns)
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.muted--
	})
}

func (l *Layer) open() []net.Conn { return slices.Collect(maps.Keys(l.conns)) }

func hangUp(conns []net.Conn) {
	for _, c := range conns {
		_ = c.Close()
	}
}

// listen accepts until the listener closes.
func (l *Layer) listen() {
	for {
		c, err := l.cfg.Listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				l.cfg.Logger.Error("raft port: accepts nobody any more", "error", err)
			}
			return
		}
		tc := l.track(c, true)
		if tc == nil {
			l.turnAway(c)
			continue
		}
		l.group.Go(func() { l.serve(tc) })
	}
}

// turnAway tells a caller above the cap so; the few bytes fit any socket buffer.
func (l *Layer) turnAway(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(l.cfg.HandshakeTimeout))
	_, _ = c.Write(Hello{Status: StatusBusy, Cluster: l.cfg.Cluster(), ID: l.cfg.ID}.Append(nil))
	_ = c.Close()
}

// track counts a connection in; nil means that the cap or the end is reached, or
// that the port is mute.
func (l *Layer) track(c net.Conn, accepted bool) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.muted > 0 || accepted && l.taken >= l.cfg.MaxConnections {
		return nil
	}
	tc := &conn{Conn: c, layer: l}
	l.conns[tc] = accepted
	if accepted {
		l.taken++
	}
	return tc
}

func (l *Layer) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if accepted, ok := l.conns[c]; ok {
		delete(l.conns, c)
		if accepted {
			l.taken--
		}
	}
}

// Connections is how many accepted connections are open.
func (l *Layer) Connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken
}

// serve answers one hello and hands the connection to its role.
func (l *Layer) serve(c *conn) {
	role, err := l.greet(c)
	if err != nil {
		l.cfg.Logger.Warn("raft port: caller refused", "from", c.RemoteAddr(), "error", err)
		_ = c.Close()
		return
	}
	switch role {
	case RoleTerm:
		l.serveTerm(c)
		_ = c.Close()
		return
	case RoleMark:
		l.serveMark(c)
		_ = c.Close()
		return
	}
	c.meter = &meter{call: l.cfg.MaxCall, install: l.cfg.MaxInstall}
	select {
	case l.accept <- c:
	case <-l.done:
		_ = c.Close()
	}
}

// greet is the answering end of the handshake.
func (l *Layer) greet(c net.Conn) (Role, error) {
	if err := c.SetDeadline(time.Now().Add(l.cfg.HandshakeTimeout)); err != nil {
		return 0, err
	}
	h, err := readHello(c)
	if err != nil && protocol.KindOf(err) != protocol.Unsupported {
		return 0, err
	}
	answer := Hello{Role: h.Role, Status: l.judge(h, err), Cluster: l.cfg.Cluster(), ID: l.cfg.ID}
	if _, err := c.Write(answer.Append(nil)); err != nil {
		return 0, err
	}
	if answer.Status != StatusOK {
		return 0, refusal(answer, h.ID)
	}
	return h.Role, c.SetDeadline(time.Time{})
}

// judge is the verdict on a caller (*one cluster*).
func (l *Layer) judge(h Hello, parse error) Status {
	switch own := l.cfg.Cluster(); {
	case parse != nil || h.Role < RoleRaft || h.Role > RoleMark:
		return StatusUnsupported
	case own.IsZero():
		return StatusNotReady
	case h.Cluster != own:
		return StatusWrongCluster
	case l.cfg.Removed(h.ID):
		return StatusRemoved
	default:
		return StatusOK
	}
}

func readHello(c net.Conn) (Hello, error) {
	var b [HelloSize]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return Hello{}, err
	}
	return ParseHello(b[:])
}

// refusal is a verdict as an error.
func refusal(h Hello, peer string) error {
	switch h.Status {
	case StatusWrongCluster:
		return protocol.Errorf(protocol.WrongCluster, "raft port: %q belongs to another cluster", peer)
	case StatusNotReady:
		return protocol.Errorf(protocol.Unavailable, "raft port: no cluster known yet")
	case StatusBusy:
		return protocol.Errorf(protocol.Busy, "raft port: too many connections")
	case StatusRemoved:
		return protocol.Errorf(protocol.Removed, "raft port: the leader %q knows no such member", peer)
	default:
		return protocol.Errorf(protocol.Unsupported, "raft port: status %d", h.Status)
	}
}

// dial is the calling end of the handshake (*one cluster*, *the right member*);
// an empty want takes any member.
func (l *Layer) dial(ctx context.Context, addr, want string, role Role) (*conn, error) {
	own := l.cfg.Cluster()
	if own.IsZero() {
		return nil, protocol.Errorf(protocol.Unavailable, "raft port: no cluster known yet")
	}
	raw, err := l.reach(ctx, addr)
	if err != nil {
		return nil, err
	}
	c := l.track(raw, false)
	if c == nil {
		_ = raw.Close()
		return nil, net.ErrClosed
	}
	answer, err := l.introduce(ctx, c, Hello{Role: role, Cluster: own, ID: l.cfg.ID})
	if err == nil && want != "" && answer.ID != want {
		err = protocol.Errorf(protocol.Unavailable, "raft port: %s is member %q, not %q", addr, answer.ID, want)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func (l *Layer) reach(ctx context.Context, addr string) (net.Conn, error) {
	if l.cfg.Dial != nil {
		return l.cfg.Dial(ctx, addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// introduce exchanges hellos and judges the answer.
func (l *Layer) introduce(ctx context.Context, c net.Conn, h Hello) (Hello, error) {
	if err := c.SetDeadline(l.until(ctx)); err != nil {
		return Hello{}, err
	}
	if _, err := c.Write(h.Append(nil)); err != nil {
		return Hello{}, err
	}
	answer, err := readHello(c)
	switch {
	case err != nil:
		return Hello{}, err
	case answer.Status != StatusOK:
		return Hello{}, refusal(answer, answer.ID)
	case answer.Cluster != h.Cluster:
		return Hello{}, protocol.Errorf(protocol.WrongCluster, "raft port: %q belongs to another cluster", answer.ID)
	}
	return answer, c.SetDeadline(time.Time{})
}

// until is when an exchange of a few bytes that begins now is given up: after
// HandshakeTimeout, or with ctx.
func (l *Layer) until(ctx context.Context) time.Time {
	deadline := time.Now().Add(l.cfg.HandshakeTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		return d
	}
	return deadline
}
