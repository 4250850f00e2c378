package replica

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/link"
)

// network decides which member reaches which.
type network struct {
	mu    sync.Mutex
	names map[string]string // address: member
	cuts  map[[2]string]bool
	conns map[*wire]bool
	gates map[[2]string]chan struct{} // from, to: what comes back to from over the raft role waits
}

// wire is one connection, by who dialed it and to whom.
type wire struct {
	net.Conn
	net      *network
	from, to string
	mu       sync.Mutex
	role     link.Role
}

func newNetwork() *network {
	return &network{names: map[string]string{}, cuts: map[[2]string]bool{}, conns: map[*wire]bool{}, gates: map[[2]string]chan struct{}{}}
}

func (n *network) name(address, member string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[address] = member
}

var errCut = errors.New("the network is cut")

func (n *network) dialer(from string) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		n.mu.Lock()
		to := n.names[address]
		cut := n.cuts[[2]string{from, to}]
		n.mu.Unlock()
		if cut {
			return nil, errCut
		}
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		w := &wire{Conn: c, net: n, from: from, to: to}
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.cuts[[2]string{from, to}] {
			_ = c.Close()
			return nil, errCut
		}
		n.conns[w] = true
		return w, nil
	}
}

func (w *wire) Close() error {
	w.net.mu.Lock()
	delete(w.net.conns, w)
	w.net.mu.Unlock()
	return w.Conn.Close()
}

// Write notes the role, which the first bytes name.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	if w.role == 0 {
		if h, err := link.ParseHello(p); err == nil {
			w.role = h.Role
		}
	}
	w.mu.Unlock()
	return w.Conn.Write(p)
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	role := w.role
	w.mu.Unlock()
	w.net.mu.Lock()
	gate := w.net.gates[[2]string{w.from, w.to}]
	w.net.mu.Unlock()
	if gate != nil && role == link.RoleRaft {
		<-gate
	}
	return n, err
}

// cut ends what goes between a and b, in both directions, and keeps it ended.
func (n *network) cut(a, b string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts[[2]string{a, b}], n.cuts[[2]string{b, a}] = true, true
	for w := range n.conns {
		if w.from == a && w.to == b || w.from == b && w.to == a {
			_ = w.Conn.Close()
			delete(n.conns, w)
		}
	}
}

// hold keeps back what comes back to a member from others over the raft role, until
// the function it returns is called. Other roles go on.
func (n *network) hold(from string, to ...*member) (release func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	gate := make(chan struct{})
	for _, m := range to {
		n.gates[[2]string{from, m.name}] = gate
	}
	return sync.OnceFunc(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, m := range to {
			delete(n.gates, [2]string{from, m.name})
		}
		close(gate)
	})
}

// isolate cuts one member off from all others.
func (g *group) isolate(m *member) {
	for _, o := range g.members {
		if o != m {
			g.net.cut(m.name, o.name)
		}
	}
}

func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cuts)
}

// sever closes what from has dialed to to.
func (n *network) sever(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for w := range n.conns {
		if w.from == from && w.to == to {
			_ = w.Conn.Close()
			delete(n.conns, w)
		}
	}
}
