//go:build !unix

package rpc

import "net"

// live cannot look at a resting connection on this system; a stale one then
// shows as UnknownOutcome.
func live(net.Conn) bool { return true }
