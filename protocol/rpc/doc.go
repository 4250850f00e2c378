// Package rpc holds both ends of the wire beside each other: a [Server] that
// takes protobuf or JSON bodies by POST and hands owned messages to functions,
// and a [Client] that sends them and says exactly what is known when no answer
// comes. Both speak HTTP/1.1, so that curl is a client too.
//
// A request passes these gates, in this order: connections per address, header
// size and time, body size and rate (all before a byte of the body is kept),
// the path's form, the cluster, the route, the method, requests in flight, the
// media type, the message. The first that refuses answers a problem
// (RFC 9457) whose kind is a protocol.Kind.
//
// Invariants, by the name their tests bear:
//   - RawPath: routing looks at the bytes of the request line and nothing
//     decoded; a path outside a plain alphabet is refused.
//   - OneRequest: a connection on which the two sides could disagree where a
//     request ends is closed, never read further.
//   - Owned: what a handler gets is its own; nothing aliases the connection's
//     buffers. (HandleRaw is the exception, and says so.)
//   - NotExecuted: the client says Unavailable, Busy or Canceled for a request of
//     which no byte reached the network, or that a server refused; and
//     UnknownOutcome for any other that got no answer.
//   - NoSilentRetry: the client sends a request a second time only where no byte
//     of it had been sent, or for a GET or HEAD on a connection that turned out
//     to be stale.
//   - SameRequest: an answer that names another request is never taken for one's own.
//   - Prompt: when the caller's context ends, Call returns at once, whatever the
//     server does.
package rpc
