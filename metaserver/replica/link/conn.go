package link

import (
	"net"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// rpcInstallSnapshot is the first byte of hashicorp/raft v1's InstallSnapshot
// call (net_transport.go); a test pins it.
const rpcInstallSnapshot = 2

// conn is a connection that its Layer knows.
type conn struct {
	net.Conn
	layer *Layer
	meter *meter
}

// Close is idempotent for the Layer's count.
func (c *conn) Close() error {
	c.layer.forget(c)
	return c.Conn.Close()
}

// Read counts a call's bytes against its cap, and hangs up on a caller who falls
// silent within one: raft reads a snapshot on its main loop, and would wait there for
// a leader that is stopped as long as it is.
func (c *conn) Read(p []byte) (int, error) {
	if c.meter == nil {
		return c.Conn.Read(p)
	}
	var until time.Time // between calls: none
	if c.meter.open {
		until = time.Now().Add(c.layer.cfg.Silence)
	}
	if err := c.SetReadDeadline(until); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		if over := c.meter.read(p[:n]); over != nil {
			n, err = 0, over
		}
	}
	if err != nil {
		_ = c.Close()
	}
	return n, err
}

// Write ends a call: the next byte read opens another.
func (c *conn) Write(p []byte) (int, error) {
	if c.meter != nil {
		c.meter.left = 0
		c.meter.open = false
	}
	return c.Conn.Write(p)
}

// meter follows the calls on one accepted connection. Calls and answers
// alternate (MaxRPCsInFlight is 1), and the first byte of a call is its kind. It
// is used by the connection's one handler only.
type meter struct {
	call, install int64
	open          bool
	left          int64
}

func (m *meter) read(p []byte) error {
	if !m.open {
		m.open, m.left = true, m.call
		if p[0] == rpcInstallSnapshot {
			m.left = m.install
		}
	}
	m.left -= int64(len(p))
	if m.left < 0 {
		return protocol.Errorf(protocol.TooLarge, "raft port: a call of more bytes than its limit")
	}
	return nil
}
