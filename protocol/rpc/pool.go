package rpc

import (
	"bufio"
	"context"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// deadline is when a call ends at the latest, and whether that is the caller's
// own word.
type deadline struct {
	at       time.Time
	ofCaller bool
}

// host is one server's address with its connections: those at rest, newest
// last, and a slot for each that may exist.
type host struct {
	addr   string
	client *Client
	slots  chan struct{}

	mu   sync.Mutex
	idle []*conn
}

// host finds or makes the pool of addr.
func (c *Client) host(addr string) (*host, error) {
	c.mu.RLock()
	h, closed := c.hosts[addr], c.closed
	c.mu.RUnlock()
	switch {
	case closed:
		return nil, protocol.Errorf(protocol.Unavailable, "this client is closed")
	case h != nil:
		return h, nil
	}
	if err := protocol.CheckAddress(addr); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.hosts[addr]; h != nil {
		return h, nil
	}
	if c.closed {
		return nil, protocol.Errorf(protocol.Unavailable, "this client is closed")
	}
	h = &host{addr: addr, client: c, slots: make(chan struct{}, c.cfg.MaxConnsPerHost)}
	c.hosts[addr] = h
	c.keepSweeping()
	return h, nil
}

// acquire waits for a slot and returns a connection of its own: one at rest
// unless fresh is wanted or none is live, else a new one. Nothing was sent when
// it fails.
func (h *host) acquire(ctx context.Context, end deadline, fresh bool) (*conn, error) {
	select {
	case h.slots <- struct{}{}:
	default:
		if err := h.wait(ctx, end); err != nil {
			return nil, err
		}
	}
	if !fresh {
		if cn := h.take(); cn != nil {
			return cn, nil
		}
	}
	cn, err := h.dial(ctx, end)
	if err != nil {
		<-h.slots
		return nil, err
	}
	return cn, nil
}

func (h *host) wait(ctx context.Context, end deadline) error {
	timer := time.NewTimer(time.Until(end.at))
	defer timer.Stop()
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &protocol.Error{Kind: protocol.Canceled, Detail: "nothing was sent: all connections to " + h.addr + " are taken", Err: ctx.Err()}
	case <-timer.C:
		if end.ofCaller {
			return &protocol.Error{Kind: protocol.Canceled, Detail: "nothing was sent: all connections to " + h.addr + " are taken", Err: context.DeadlineExceeded}
		}
		return protocol.Errorf(protocol.Busy, "nothing was sent: all %d connections to %s are taken", cap(h.slots), h.addr)
	}
}

// take returns the connection that rested least, if it is live.
func (h *host) take() *conn {
	for {
		h.mu.Lock()
		n := len(h.idle)
		if n == 0 {
			h.mu.Unlock()
			return nil
		}
		cn := h.idle[n-1]
		h.idle[n-1] = nil
		h.idle = h.idle[:n-1]
		h.mu.Unlock()
		rested := time.Since(cn.since)
		if rested < MaxIdle && (rested < staleAfter || live(cn.Conn)) {
			return cn
		}
		_ = cn.Close()
	}
}

func (h *host) dial(ctx context.Context, end deadline) (*conn, error) {
	at := end.at
	if soon := time.Now().Add(DialTimeout); soon.Before(at) {
		at = soon
	}
	d := net.Dialer{Deadline: at}
	nc, err := d.DialContext(ctx, "tcp", h.addr)
	if err == nil {
		cn := &conn{Conn: nc}
		cn.br = bufio.NewReaderSize(cn, MaxHeader)
		cn.bw = bufio.NewWriterSize(cn, 4<<10)
		return cn, nil
	}
	if ctx.Err() != nil {
		return nil, &protocol.Error{Kind: protocol.Canceled, Detail: "nothing was sent: connecting to " + h.addr, Err: ctx.Err()}
	}
	return nil, &protocol.Error{Kind: protocol.Unavailable, Detail: "nothing was sent: " + err.Error(), Err: err}
}

// release gives the slot back and keeps cn if it may be used again.
func (h *host) release(cn *conn, keep bool) {
	if keep = keep && cn.whole(); keep {
		cn.used = true
		cn.since = time.Now()
		keep = h.rest(cn)
	}
	if !keep {
		_ = cn.Close()
	}
	<-h.slots
}

// rest puts cn down, unless the client was closed meanwhile.
func (h *host) rest(cn *conn) bool {
	h.client.mu.RLock()
	defer h.client.mu.RUnlock()
	if h.client.closed {
		return false
	}
	h.mu.Lock()
	h.idle = append(h.idle, cn)
	h.mu.Unlock()
	return true
}

// letGo closes the connections that have rested since before the given time.
func (h *host) letGo(before time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for n < len(h.idle) && h.idle[n].since.Before(before) {
		_ = h.idle[n].Close()
		n++
	}
	h.idle = append(h.idle[:0], h.idle[n:]...)
}

// unused reports whether nothing rests and nothing is under way.
func (h *host) unused() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.idle) == 0 && len(h.slots) == 0
}

// keepSweeping closes what has rested too long, for as long as the client is
// open; without it, connections to a server that is never called again would
// stay. It is called with the client's lock held.
func (c *Client) keepSweeping() {
	if c.sweep == nil {
		c.sweep = time.AfterFunc(MaxIdle, c.sweepOnce)
	}
}

func (c *Client) sweepOnce() {
	before := time.Now().Add(-MaxIdle)
	c.mu.Lock()
	defer c.mu.Unlock()
	for addr, h := range c.hosts {
		h.letGo(before)
		if h.unused() {
			delete(c.hosts, addr)
		}
	}
	c.sweep = nil
	if !c.closed && len(c.hosts) > 0 {
		c.keepSweeping()
	}
}

// Close closes the connections at rest and refuses further calls. Calls under
// way end as they would have; their connections close after them.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.sweep != nil {
		c.sweep.Stop()
	}
	for _, h := range c.hosts {
		h.letGo(time.Now().Add(time.Hour))
	}
}

// conn is one connection of a client, used by one call at a time.
type conn struct {
	net.Conn
	br *bufio.Reader
	bw *bufio.Writer

	// used: it has carried an answer. since: it has rested from then on.
	used  bool
	since time.Time

	// Of the exchange under way: bytes that the network took and gave, and
	// whether the caller's context cut in.
	sent, received int64
	interrupted    bool
	// halved: the server answered before it had the whole request.
	halved bool
}

// Write counts what the network took.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent += int64(n)
	return n, err
}

// Read counts what the network gave.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received += int64(n)
	return n, err
}

// longAgo as a deadline makes every read and write under way return.
var longAgo = time.Unix(1, 0)

// exchange sends req and reads resp. The end of ctx makes it return at once
// (Prompt); the connection is of no use then.
func (c *conn) exchange(ctx context.Context, end time.Time, req *fasthttp.Request, resp *fasthttp.Response, most int) error {
	c.sent, c.received, c.interrupted, c.halved = 0, 0, false, false
	if err := c.SetDeadline(end); err != nil {
		return err
	}
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(longAgo) })
		defer func() { c.interrupted = !stop() }()
	}
	c.bw.Reset(c)
	err := req.Write(c.bw)
	if err == nil {
		err = c.bw.Flush()
	}
	if err != nil && c.sent == 0 {
		return err
	}
	resp.Reset()
	resp.SkipBody = req.Header.IsHead()
	if err == nil {
		return resp.ReadLimitBody(c.br, most)
	}
	// A server that stopped reading may have said why.
	c.halved = true
	if early := resp.ReadLimitBody(c.br, maxProblem); early == nil && resp.StatusCode() >= fasthttp.StatusBadRequest {
		return nil
	}
	return err
}

// whole reports whether the connection stands between two exchanges: not cut
// into, and without a byte that belongs to neither.
func (c *conn) whole() bool { return !c.interrupted && !c.halved && c.br.Buffered() == 0 }
