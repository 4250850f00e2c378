package link

import (
	"net"

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

// Read counts a call's bytes against its cap.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.meter != nil && n > 0 {
		if over := c.meter.read(p[:n]); over != nil {
			_ = c.Close()
			return 0, over
		}
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
