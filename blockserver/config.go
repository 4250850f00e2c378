package blockserver

import (
	"cmp"
	"log/slog"
	"net"
	"time"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// The limits of a blockserver that are not the wire's (protocol/limits.go).
const (
	// DefaultMaxMemory bounds the bytes of blocks in flight, MinMaxMemory what it
	// may be set to: one block of the largest size, stored and plain.
	DefaultMaxMemory = 256 << 20
	MinMaxMemory     = 40 << 20
	// DefaultMaxRequests bounds requests in flight, DefaultMaxConnsPerAddress the
	// connections of one client address.
	DefaultMaxRequests        = 1024
	DefaultMaxConnsPerAddress = 512
	// maxTouches bounds touch requests in flight, touchSlots the blocks that they
	// verify at once all together: at most touchSlots blocks, stored and plain,
	// are in memory besides MaxMemory.
	maxTouches = 16
	touchSlots = 8
	// minRegisterBackoff and maxRegisterBackoff bound the pause between two rounds
	// of asking all metaservers; registerTimeout bounds one question.
	minRegisterBackoff = 50 * time.Millisecond
	maxRegisterBackoff = 5 * time.Second
	registerTimeout    = 10 * time.Second
	// quietRounds, a power of two, is how many rounds may fail before the log says
	// so: some five seconds.
	quietRounds = 8
	// maxLeaderHops bounds how often one round follows not-leader.
	maxLeaderHops = 3
	// drainTimeout is how long Run lets requests in flight finish.
	drainTimeout = 10 * time.Second
)

// Config says what a Server is. It is checked once, by Start.
type Config struct {
	// Listen is the host:port to listen on; Listener, if set, replaces it.
	Listen   string
	Listener net.Listener
	// Advertise is the host:port that others reach this node at; by default the
	// listener's own address.
	Advertise string
	// Metaservers are client addresses, host:port, one or more.
	Metaservers []string
	// Zone is where the node stands, for placement; may be empty.
	Zone string
	// Data are the node's disks.
	Data []store.Dir
	// Marks bound how full the disks may become; zero fields are those of
	// store.DefaultMarks.
	Marks store.Marks
	// Logger may be nil.
	Logger *slog.Logger
	// Insecure allows to listen without TLS on an address that is not loopback.
	Insecure bool
	// MaxMemory bounds the bytes of blocks in flight; 0 is DefaultMaxMemory.
	MaxMemory int64
	// MaxRequests and MaxConnsPerAddress; 0 is the default.
	MaxRequests, MaxConnsPerAddress int
	// ReadTimeout bounds the time to receive a request, WriteTimeout to send an
	// answer, IdleTimeout between two requests; 0 leaves them to protocol/rpc.
	ReadTimeout, WriteTimeout, IdleTimeout time.Duration
}

// check fills in defaults and refuses what can never work (InvalidArgument).
func (c *Config) check() error {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.MaxMemory == 0 {
		c.MaxMemory = DefaultMaxMemory
	}
	if c.MaxRequests == 0 {
		c.MaxRequests = DefaultMaxRequests
	}
	if c.MaxConnsPerAddress == 0 {
		c.MaxConnsPerAddress = DefaultMaxConnsPerAddress
	}
	c.Marks.High = cmp.Or(c.Marks.High, store.DefaultMarks.High)
	c.Marks.Low = cmp.Or(c.Marks.Low, store.DefaultMarks.Low)
	c.Marks.Reserve = cmp.Or(c.Marks.Reserve, store.DefaultMarks.Reserve)
	switch {
	case len(c.Metaservers) == 0:
		return protocol.Errorf(protocol.InvalidArgument, "a blockserver needs the address of at least one metaserver")
	case len(c.Data) == 0 || len(c.Data) > protocol.MaxDisks:
		return protocol.Errorf(protocol.InvalidArgument, "a blockserver has 1 to %d data folders, not %d", protocol.MaxDisks, len(c.Data))
	case len(c.Zone) > protocol.MaxZoneLength:
		return protocol.Errorf(protocol.InvalidArgument, "a zone's name has at most %d bytes; this one has %d", protocol.MaxZoneLength, len(c.Zone))
	case c.MaxMemory < MinMaxMemory:
		return protocol.Errorf(protocol.InvalidArgument, "the memory for blocks in flight is at least %d bytes, not %d", MinMaxMemory, c.MaxMemory)
	}
	return c.Marks.Check()
}

// listen binds the port and decides what to advertise. Without TLS only
// loopback is listened on, unless Insecure.
func (c *Config) listen() (net.Listener, error) {
	ln := c.Listener
	if ln == nil {
		var err error
		if ln, err = net.Listen("tcp", c.Listen); err != nil {
			return nil, protocol.Errorf(protocol.Unavailable, "listen on %s: %w", protocol.Quote(c.Listen), err)
		}
	}
	if err := c.admit(ln.Addr()); err != nil {
		_ = ln.Close()
		return nil, err
	}
	return ln, nil
}

func (c *Config) admit(at net.Addr) error {
	tcp, ok := at.(*net.TCPAddr)
	if ok && !tcp.IP.IsLoopback() && !c.Insecure {
		return protocol.Errorf(protocol.InvalidArgument, "%s is not loopback and there is no TLS; set --insecure to listen all the same", at)
	}
	if c.Advertise == "" {
		if ok && tcp.IP.IsUnspecified() {
			return protocol.Errorf(protocol.InvalidArgument, "%s is every address; set --advertise to the one that others reach", at)
		}
		c.Advertise = at.String()
	}
	if _, _, err := net.SplitHostPort(c.Advertise); err != nil || len(c.Advertise) > protocol.MaxAddressLength {
		return protocol.Errorf(protocol.InvalidArgument, "the advertised address is host:port of at most %d bytes, not %s", protocol.MaxAddressLength, protocol.Quote(c.Advertise))
	}
	return nil
}
