package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// maxAnswer bounds the body of an answer, in bytes.
const maxAnswer = 1 << 20

// Client asks admin ports. Errors are *protocol.Error: Unavailable when the
// request certainly was not executed, UnknownOutcome when no answer came; every
// verb may then be sent again.
type Client struct {
	cluster protocol.ID
	http    *http.Client
}

// NewClient returns a Client whose requests name the cluster; the zero ID names
// none.
func NewClient(cluster protocol.ID) *Client {
	return &Client{cluster: cluster, http: &http.Client{
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			ResponseHeaderTimeout: DefaultTimeout + 5*time.Second,
			MaxIdleConnsPerHost:   1,
			IdleConnTimeout:       10 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close gives idle connections back.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Hello asks any member about itself and the leader.
func (c *Client) Hello(ctx context.Context, addr string) (h Hello, err error) {
	return h, c.call(ctx, http.MethodGet, addr, PathHello, nil, &h)
}

// Join asks the leader at addr to make m a voter; it returns when m is one.
func (c *Client) Join(ctx context.Context, addr string, m Member) error {
	return c.call(ctx, http.MethodPost, addr, PathJoin, m, &Done{})
}

// Announce tells the leader at addr the addresses of a member.
func (c *Client) Announce(ctx context.Context, addr string, m Member) error {
	return c.call(ctx, http.MethodPost, addr, PathAnnounce, m, &Done{})
}

// Transfer asks the leader at addr to hand leadership over.
func (c *Client) Transfer(ctx context.Context, addr string) error {
	return c.call(ctx, http.MethodPost, addr, PathTransfer, nil, &Done{})
}

// Snapshot asks the member at addr to take a snapshot now.
func (c *Client) Snapshot(ctx context.Context, addr string) error {
	return c.call(ctx, http.MethodPost, addr, PathSnapshot, nil, &Done{})
}

// Recount asks the member at addr to count and check its whole state.
func (c *Client) Recount(ctx context.Context, addr string) (r Recount, err error) {
	return r, c.call(ctx, http.MethodPost, addr, PathRecount, nil, &r)
}

// RemoveMember asks the leader at addr to take a metaserver out of the group.
func (c *Client) RemoveMember(ctx context.Context, addr, id string) error {
	return c.call(ctx, http.MethodPost, addr, PathRemoveMember, RemoveMember{ID: id}, &Done{})
}

// StartGeneration asks the leader at addr to start a new generation of versions.
func (c *Client) StartGeneration(ctx context.Context, addr string, q StartGeneration) (g Generation, err error) {
	return g, c.call(ctx, http.MethodPost, addr, PathGeneration, q, &g)
}

// Backup copies the metadata's state from the leader at addr to w, and returns
// whose it is. On an error, Corrupt included, what w got is rubbish.
func (c *Client) Backup(ctx context.Context, addr string, w io.Writer) (cluster protocol.ID, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+PathBackup, nil)
	if err != nil {
		return cluster, protocol.Errorf(protocol.InvalidArgument, "admin address %s: %w", protocol.Quote(addr), err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return cluster, transportError(addr, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return cluster, readAnswer(resp, addr, nil)
	}
	return replica.CheckBackup(io.TeeReader(resp.Body, w))
}

func (c *Client) call(ctx context.Context, method, addr, path string, q, a any) error {
	var body io.Reader
	if q != nil {
		b, err := json.Marshal(q)
		if err != nil {
			return protocol.Errorf(protocol.InvalidArgument, "admin request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+path, body)
	if err != nil {
		return protocol.Errorf(protocol.InvalidArgument, "admin address %s: %w", protocol.Quote(addr), err)
	}
	if q != nil {
		req.Header.Set("Content-Type", protocol.TypeJSON)
	}
	if !c.cluster.IsZero() {
		req.Header.Set(protocol.HeaderCluster, c.cluster.String())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return transportError(addr, err)
	}
	defer func() { _ = resp.Body.Close() }()
	return readAnswer(resp, addr, a)
}

// transportError tells what was certainly not executed from what may have been.
func transportError(addr string, err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return protocol.Errorf(protocol.Unavailable, "admin port %s: %w", addr, err)
	}
	return protocol.Errorf(protocol.UnknownOutcome, "admin port %s: %w", addr, err)
}

func readAnswer(resp *http.Response, addr string, a any) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return protocol.Errorf(protocol.UnknownOutcome, "admin port %s: %w", addr, err)
	}
	if len(body) > maxAnswer {
		return protocol.Errorf(protocol.TooLarge, "admin port %s answers with more than %d bytes", addr, maxAnswer)
	}
	if resp.StatusCode/100 == 2 {
		if err := json.Unmarshal(body, a); err != nil {
			return protocol.Errorf(protocol.Internal, "admin port %s does not answer in JSON: %w", addr, err)
		}
		return nil
	}
	var p problem
	if err := json.Unmarshal(body, &p); err != nil || p.Kind == "" {
		return protocol.Errorf(protocol.Internal, "admin port %s answers with status %d", addr, resp.StatusCode)
	}
	return &protocol.Error{Kind: protocol.ParseKind(p.Kind), Detail: p.Detail, Leader: p.Leader}
}
