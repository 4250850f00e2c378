package rpc

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// turnedAway is what a connection over the limit is told, unread.
const turnedAway = "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nContent-Length: 0\r\nAshlar-Kind: busy\r\n\r\n"

// conns knows the open connections of a server, to bound them per address and
// to cut them at the end. fasthttp's own bound does not see IPv6.
type conns struct {
	perAddress int

	mu      sync.Mutex
	open    map[net.Conn]netip.Addr
	of      map[netip.Addr]int
	refused uint64
}

func (c *conns) init(perAddress int) {
	c.perAddress = perAddress
	c.open = map[net.Conn]netip.Addr{}
	c.of = map[netip.Addr]int{}
}

// state is called by fasthttp when a connection is accepted, changes or ends.
func (c *conns) state(conn net.Conn, state fasthttp.ConnState) {
	switch state {
	case fasthttp.StateNew:
		if !c.add(conn) {
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = conn.Write([]byte(turnedAway))
			_ = conn.Close()
		}
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		c.remove(conn)
	}
}

func (c *conns) add(conn net.Conn) bool {
	addr := addressOf(conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[addr] >= c.perAddress {
		c.refused++
		return false
	}
	c.open[conn] = addr
	c.of[addr]++
	return true
}

func (c *conns) remove(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	addr, ok := c.open[conn]
	if !ok {
		return
	}
	delete(c.open, conn)
	if c.of[addr]--; c.of[addr] == 0 {
		delete(c.of, addr)
	}
}

func (c *conns) count() (open int, refused uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open), c.refused
}

func (c *conns) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		_ = conn.Close()
	}
}

func addressOf(conn net.Conn) netip.Addr {
	at, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

// The pauses of a port that cannot accept: each is twice the one before.
const (
	firstAcceptPause = 5 * time.Millisecond
	maxAcceptPause   = time.Second
)

// Patient is ln, whose Accept waits for what passes, as when the process or the
// machine has run out of file descriptors, and says so in the log: a server that
// ended by that would take all that it serves with it. Close ends the wait.
func Patient(ln net.Listener, log *slog.Logger) net.Listener {
	return &patient{Listener: ln, log: log, closed: make(chan struct{})}
}

type patient struct {
	net.Listener
	log    *slog.Logger
	once   sync.Once
	closed chan struct{}
}

func (p *patient) Accept() (net.Conn, error) {
	for pause := firstAcceptPause; ; pause = min(2*pause, maxAcceptPause) {
		c, err := p.Listener.Accept()
		if err == nil || !passes(err) {
			return c, err
		}
		p.log.Warn("the port accepts nobody now", "port", p.Addr(), "next_try_in", pause, "error", err)
		select {
		case <-time.After(pause):
		case <-p.closed:
			return nil, net.ErrClosed
		}
	}
}

func (p *patient) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.Listener.Close()
}

// passes tells errors of accept(2) that say nothing about the port itself.
func passes(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK, syscall.EOPNOTSUPP, syscall.EFAULT:
		return false
	}
	return true
}
