// Package proxy stands on a link between two processes of a test and spoils it:
// a TCP proxy that delays what it forwards, cuts connections at a chosen moment,
// and, where the link carries HTTP requests, sends one twice or much later.
//
// The side that dials is the client, the other one the server. What a proxy does
// is set while it runs and holds for what it forwards from then on. It cannot
// make a forgery: bytes arrive as they were sent, late, twice or not at all.
package proxy

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy forwards connections to one address. It is safe for concurrent use.
type Proxy struct {
	listener net.Listener
	to       string
	http     bool

	delay  atomic.Int64 // nanoseconds, each way
	spread atomic.Int64 // of which this much is by chance
	// loseEvery is which answer is withheld and its connection cut; 0 is none.
	loseEvery atomic.Int64
	// twiceEvery is which request is sent a second time; 0 is none.
	twiceEvery atomic.Int64

	answers, requests atomic.Int64
	lost, doubled     atomic.Int64

	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
	keep   int
	kept   [][]byte
	group  sync.WaitGroup
}

// dialTimeout bounds reaching the server; the client sees its connection closed.
const dialTimeout = 5 * time.Second

// New listens at address ("127.0.0.1:0" picks a port) and forwards to the
// server at to, which need not run yet. http says that the link carries HTTP/1.1
// requests, which SendTwice and Keep need to know one from the next.
func New(address, to string, http bool) (*Proxy, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, to: to, http: http, open: map[net.Conn]struct{}{}}
	p.group.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.group.Go(func() { p.forward(client) })
		}
	})
	return p, nil
}

// Address is where clients dial.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Delay holds back everything for d in each direction, give or take spread.
func (p *Proxy) Delay(d, spread time.Duration) {
	p.delay.Store(int64(d))
	p.spread.Store(int64(spread))
}

// LoseAnswers withholds every nth answer and cuts its connection: the request
// was carried out, and the client cannot know. 0 ends it.
func (p *Proxy) LoseAnswers(n int) { p.loseEvery.Store(int64(n)) }

// SendTwice sends every nth request a second time, over a connection of its own,
// and throws the second answer away. 0 ends it.
func (p *Proxy) SendTwice(n int) { p.twiceEvery.Store(int64(n)) }

// Lost counts the answers that were withheld.
func (p *Proxy) Lost() int64 { return p.lost.Load() }

// Doubled counts the requests that were sent twice.
func (p *Proxy) Doubled() int64 { return p.doubled.Load() }

// Heal ends all that was set; what is open stays open.
func (p *Proxy) Heal() {
	p.Delay(0, 0)
	p.LoseAnswers(0)
	p.SendTwice(0)
}

// Reset cuts all connections that are open now.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		if tcp, ok := c.(*net.TCPConn); ok {
			// Without this the other side would see a regular end.
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
}

// Close ends the proxy and all its connections.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listener.Close()
	p.Reset()
	p.group.Wait()
}

// track remembers a connection for Reset; false means that the proxy is closed.
func (p *Proxy) track(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close()
		return false
	}
	p.open[c] = struct{}{}
	return true
}

func (p *Proxy) untrack(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	_ = c.Close()
}

func (p *Proxy) forward(client net.Conn) {
	if !p.track(client) {
		return
	}
	defer p.untrack(client)
	server, err := net.DialTimeout("tcp", p.to, dialTimeout)
	if err != nil || !p.track(server) {
		return
	}
	defer p.untrack(server)
	var both sync.WaitGroup
	both.Go(func() {
		if p.http {
			p.copyRequests(server, client)
		} else {
			p.copy(server, client, nil)
		}
		_ = server.Close()
	})
	both.Go(func() {
		p.copy(client, server, p.spoilAnswer)
		_ = client.Close()
	})
	both.Wait()
}

// spoilAnswer says whether a piece of the server's bytes goes on to the client.
func (p *Proxy) spoilAnswer() bool {
	n := p.answers.Add(1)
	if every := p.loseEvery.Load(); every > 0 && n%every == 0 {
		p.lost.Add(1)
		return false
	}
	return true
}

// copy forwards until either side ends or allow says no. Delayed pieces keep
// their order, and are on their way at the same time.
func (p *Proxy) copy(to io.Writer, from io.Reader, allow func() bool) {
	line := newLine(to)
	defer line.close()
	for {
		buf := make([]byte, 32<<10)
		n, err := from.Read(buf)
		if n > 0 && (allow != nil && !allow() || !line.send(buf[:n], p.wait())) {
			return
		}
		if err != nil {
			return
		}
	}
}
