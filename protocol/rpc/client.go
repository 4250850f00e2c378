package rpc

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// ClientConfig says how a Client behaves. Zero fields take the defaults of
// limits.go.
type ClientConfig struct {
	// Cluster is the cluster to talk to; zero: that of the first answer, from
	// then on.
	Cluster protocol.ID
	// Timeout bounds one call, waiting for a connection included; the context may
	// end it earlier.
	Timeout time.Duration
	// MaxConnsPerHost bounds the connections to one address; more calls wait.
	MaxConnsPerHost int
	// MaxAnswer bounds an answer's body, in bytes.
	MaxAnswer int
}

// Client is the calling end, for any number of servers of one cluster. It is
// safe for concurrent use.
type Client struct {
	cfg     ClientConfig
	ids     requestIDs
	cluster atomic.Pointer[pinned]

	mu     sync.RWMutex
	hosts  map[string]*host
	closed bool
	sweep  *time.Timer
}

// pinned is the cluster that a client talks to, in both spellings.
type pinned struct {
	id     protocol.ID
	digits []byte
}

// NewClient returns a client without connections.
func NewClient(cfg ClientConfig) *Client {
	setTime(&cfg.Timeout, DefaultTimeout)
	setInt(&cfg.MaxConnsPerHost, DefaultMaxConnsPerHost)
	setInt(&cfg.MaxAnswer, protocol.MaxMetaAnswer)
	c := &Client{cfg: cfg, ids: newRequestIDs(), hosts: map[string]*host{}}
	if !cfg.Cluster.IsZero() {
		c.pin(cfg.Cluster)
	}
	return c
}

// Cluster returns the cluster that the client talks to, zero while unknown.
func (c *Client) Cluster() protocol.ID {
	if p := c.cluster.Load(); p != nil {
		return p.id
	}
	return protocol.ID{}
}

func (c *Client) pin(id protocol.ID) {
	c.cluster.CompareAndSwap(nil, &pinned{id, hex.AppendEncode(nil, id[:])})
}

// Call POSTs req to http://addr+path and decodes the answer into ans, which
// must be empty. Every error is a *protocol.Error: one that the server sent;
// Unavailable, Busy or Canceled where the request certainly was not executed;
// UnknownOutcome where it may have been (package comment, NotExecuted).
func (c *Client) Call(ctx context.Context, addr, path string, req, ans Message) error {
	hreq, hresp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(hreq)
	defer fasthttp.ReleaseResponse(hresp)
	body, err := encodeProtobuf(hreq.SwapBody(nil), req)
	if err != nil {
		return err
	}
	hreq.SwapBody(body)
	hreq.Header.SetMethod(fasthttp.MethodPost)
	hreq.Header.SetContentType(protobufType)
	hreq.Header.Set(fasthttp.HeaderAccept, protobufType)
	if err := c.Do(ctx, addr, path, hreq, hresp); err != nil {
		return err
	}
	f := bodyForm(hresp.Header.ContentType(), len(hresp.Body()))
	if err := decode(f, hresp.Body(), ans); err != nil {
		return unknown(string(hreq.Header.Peek(protocol.HeaderRequest)), "the answer cannot be read", err)
	}
	return nil
}

// Do sends req, whose method, headers and body the caller has set, to
// http://addr+path, and reads the answer into resp. An answer other than 2xx is
// an error, as in Call; resp is for reading only after nil. Bodies are buffered
// whole; what is held is bounded by ClientConfig.MaxAnswer.
func (c *Client) Do(ctx context.Context, addr, path string, req *fasthttp.Request, resp *fasthttp.Response) error {
	if _, _, err := splitTarget([]byte(path)); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return &protocol.Error{Kind: protocol.Canceled, Detail: "nothing was sent", Err: err}
	}
	h, err := c.host(addr)
	if err != nil {
		return err
	}
	id := c.ids.next()
	req.Header.SetHost(addr)
	req.Header.SetRequestURI(path)
	req.Header.SetBytesV(protocol.HeaderRequest, id)
	if p := c.cluster.Load(); p != nil {
		req.Header.SetBytesV(protocol.HeaderCluster, p.digits)
	}
	if err := c.send(ctx, h, req, resp, id); err != nil {
		return err
	}
	return c.judge(addr, resp, id)
}

// send exchanges req for resp on some connection of h (NoSilentRetry).
func (c *Client) send(ctx context.Context, h *host, req *fasthttp.Request, resp *fasthttp.Response, id []byte) error {
	end := deadline{at: time.Now().Add(c.cfg.Timeout)}
	if at, ok := ctx.Deadline(); ok && at.Before(end.at) {
		end = deadline{at: at, ofCaller: true}
	}
	streams := req.IsBodyStream()
	safe := req.Header.IsGet() || req.Header.IsHead()
	for fresh := false; ; fresh = true {
		cn, err := h.acquire(ctx, end, fresh)
		if err != nil {
			return err
		}
		reused := cn.used
		err = cn.exchange(ctx, end.at, req, resp, c.cfg.MaxAnswer)
		sent, received := cn.sent, cn.received
		h.release(cn, err == nil && !req.ConnectionClose() && !resp.ConnectionClose())
		switch {
		case err == nil:
			return nil
		case reused && !fresh && !streams && ctx.Err() == nil && (sent == 0 || safe && received == 0) && !isTimeout(err):
			continue
		}
		return failure(ctx, end, string(id), sent, err)
	}
}

// failure says what is known after an exchange broke off.
func failure(ctx context.Context, end deadline, id string, sent int64, err error) error {
	ended := ctx.Err()
	if ended == nil && end.ofCaller && isTimeout(err) {
		ended = context.DeadlineExceeded
	}
	switch {
	case sent == 0 && ended != nil:
		return &protocol.Error{Kind: protocol.Canceled, Detail: "nothing was sent", RequestID: id, Err: ended}
	case sent == 0:
		return &protocol.Error{Kind: protocol.Unavailable, Detail: "nothing was sent: " + err.Error(), RequestID: id, Err: err}
	case ended != nil:
		return unknown(id, "the caller gave up before the answer", ended)
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return unknown(id, "the answer is larger than this client takes", err)
	case errors.Is(err, io.EOF), errors.Is(err, fasthttp.ErrConnectionClosed):
		return unknown(id, "the connection closed before the answer", err)
	}
	return unknown(id, "no answer came", err)
}

func unknown(id, detail string, err error) error {
	return &protocol.Error{Kind: protocol.UnknownOutcome, Detail: detail + ": " + err.Error(), RequestID: id, Err: err}
}

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, fasthttp.ErrTimeout)
}

// unreadable reports whether resp is a server's last word on a request in which
// it may not have found the id.
func unreadable(resp *fasthttp.Response) bool {
	status := resp.StatusCode()
	return resp.ConnectionClose() && (status == fasthttp.StatusBadRequest || status == fasthttp.StatusRequestEntityTooLarge)
}

// judge takes an answer for what it is: somebody else's, an error, or a success.
func (c *Client) judge(addr string, resp *fasthttp.Response, id []byte) error {
	status := resp.StatusCode()
	success := status >= 200 && status < 300
	echoed := resp.Header.Peek(protocol.HeaderRequest)
	if string(echoed) != string(id) && (success || len(echoed) > 0) && !unreadable(resp) {
		return unknown(string(id), "the answer is for another request", errors.New(protocol.Quote(string(echoed))))
	}
	if !success {
		return readProblem(resp)
	}
	named := resp.Header.Peek(protocol.HeaderCluster)
	p := c.cluster.Load()
	if len(named) == 0 || p != nil && string(p.digits) == string(named) {
		return nil
	}
	theirs, err := protocol.ParseID(string(named))
	if err != nil {
		return unknown(string(id), "the answer names no cluster", err)
	}
	c.pin(theirs)
	if own := c.Cluster(); own != theirs {
		return protocol.Errorf(protocol.WrongCluster, "%s belongs to cluster %s, not to %s", addr, theirs, own)
	}
	return nil
}
