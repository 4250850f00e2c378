package rpc

import "time"

// Every limit of the wire's two ends; limits_test.go asserts how they relate.
const (
	// DefaultConcurrency bounds the requests that one server works on at once.
	DefaultConcurrency = 1024
	// DefaultMaxConns bounds the connections of one server.
	DefaultMaxConns = 4096
	// DefaultMaxConnsPerAddress bounds those that come from one IP address. It is
	// high because a whole cluster may live on one machine.
	DefaultMaxConnsPerAddress = 2048
	// MaxHeader bounds request line and headers together, in bytes.
	MaxHeader = 16 << 10
	// MaxPath bounds a path with its query, in bytes.
	MaxPath = 4 << 10
	// MinBodyRate is the slowest body that is waited for, in bytes per second.
	MinBodyRate = 64 << 10
	// lingerBytes bounds what is read and thrown away of a refused request.
	lingerBytes = 64 << 20
	// maxProblem bounds the body of an error that the client reads for its kind.
	maxProblem = 256 << 10
)

// Defaults of the times that a connection is given.
const (
	// DefaultReadTimeout bounds the time from a request's first byte to the end of
	// its headers, and its body beyond what MinBodyRate allows.
	DefaultReadTimeout = 10 * time.Second
	// DefaultWriteTimeout bounds the time to write one answer.
	DefaultWriteTimeout = time.Minute
	// DefaultIdleTimeout bounds how long a server keeps a silent connection.
	DefaultIdleTimeout = 90 * time.Second
	// DefaultRequestTimeout bounds the context of one request in a server.
	DefaultRequestTimeout = 30 * time.Second
	// lingerTime bounds how long a refused peer is let finish its writing, so that
	// it gets to read why.
	lingerTime = 2 * time.Second
	// DefaultTimeout bounds one Call where the context names no earlier end.
	DefaultTimeout = 15 * time.Second
	// DialTimeout bounds the making of one connection.
	DialTimeout = 3 * time.Second
	// MaxIdle is how long a client keeps a connection unused. It is less than the
	// server's IdleTimeout, so that the client is the first to let go.
	MaxIdle = 30 * time.Second
	// DefaultMaxConnsPerHost bounds a client's connections to one server; at the
	// bound, calls wait for each other.
	DefaultMaxConnsPerHost = 256
	// staleAfter is how long a connection may rest before the client looks
	// whether the server has closed it meanwhile.
	staleAfter = 5 * time.Millisecond
)
