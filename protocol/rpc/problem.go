package rpc

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// problem is the body of every error, after RFC 9457.
type problem struct {
	Type      string          `json:"type"`
	Title     string          `json:"title"`
	Status    int             `json:"status"`
	Kind      string          `json:"kind"`
	Detail    string          `json:"detail,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
	Leader    string          `json:"leader,omitempty"`
	Refused   []protocol.Hash `json:"refused,omitempty"`
}

// problemType is the prefix of a problem's type; the kind's name follows.
const problemType = "urn:ashlar:problem:"

// ofTheBody are the headers that a handler may have set for the body that its
// problem replaces. With range-invalid, Content-Range tells the size there is
// (RFC 9110, 15.5.17).
var ofTheBody = [...]string{fasthttp.HeaderContentEncoding, fasthttp.HeaderContentRange, fasthttp.HeaderETag, fasthttp.HeaderLastModified}

// asAnswer makes any error fit to be sent: an end of the context leaves open what
// was done, and what was no error of the protocol's keeps its text at home.
func asAnswer(err error) *protocol.Error {
	var e *protocol.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &protocol.Error{Kind: protocol.UnknownOutcome, Detail: "the server gave up before the request was done", Err: err}
	}
	return &protocol.Error{Kind: protocol.Internal, Detail: "unexpected failure; the server's log has it under this request id", Err: err}
}

// writeProblem replaces whatever answer has been begun by e as a problem.
func writeProblem(ctx *fasthttp.RequestCtx, e *protocol.Error, requestID string) {
	status := e.Kind.HTTPStatus()
	p := problem{
		Type:      problemType + e.Kind.String(),
		Title:     e.Kind.String(),
		Status:    status,
		Kind:      e.Kind.String(),
		Detail:    e.Detail,
		RequestID: requestID,
		Leader:    e.Leader,
		Refused:   e.Refused,
	}
	body, err := json.Marshal(p)
	if err != nil {
		body = []byte(`{"kind":"internal"}`)
	}
	ctx.Response.ResetBody()
	for _, name := range ofTheBody {
		if name != fasthttp.HeaderContentRange || e.Kind != protocol.RangeInvalid {
			ctx.Response.Header.Del(name)
		}
	}
	ctx.Response.SetStatusCode(status)
	ctx.Response.Header.SetContentType(protocol.TypeProblem)
	ctx.Response.Header.Set(protocol.HeaderKind, e.Kind.String())
	ctx.Response.SetBodyRaw(append(body, '\n'))
}

// readProblem turns an answer that is no success into the error it stands for.
// An answer without a problem, as from something between the two ends, is
// judged by its status.
func readProblem(resp *fasthttp.Response) *protocol.Error {
	body := resp.Body()
	var p problem
	if len(body) > 0 && len(body) <= maxProblem && json.Unmarshal(body, &p) == nil && p.Kind != "" {
		return &protocol.Error{Kind: protocol.ParseKind(p.Kind), Detail: p.Detail, Leader: p.Leader, Refused: p.Refused, RequestID: p.RequestID}
	}
	e := &protocol.Error{RequestID: string(resp.Header.Peek(protocol.HeaderRequest))}
	if kind := resp.Header.Peek(protocol.HeaderKind); len(kind) > 0 {
		e.Kind = protocol.ParseKind(string(kind))
		return e
	}
	e.Kind = kindOfStatus(resp.StatusCode())
	e.Detail = "answered " + fasthttp.StatusMessage(resp.StatusCode()) + " without saying why"
	return e
}

// kindOfStatus judges a status that came without a kind. Only the statuses with
// which a server turns a connection away before it reads may mean "not done". A 404
// of ours has a kind: another one is a stranger's at an address that was ours, and
// does not tell that an object or a copy is absent.
func kindOfStatus(status int) protocol.Kind {
	switch status {
	case fasthttp.StatusServiceUnavailable:
		return protocol.Unavailable
	case fasthttp.StatusTooManyRequests:
		return protocol.Busy
	case fasthttp.StatusBadRequest:
		return protocol.InvalidArgument
	case fasthttp.StatusRequestEntityTooLarge, fasthttp.StatusRequestHeaderFieldsTooLarge:
		return protocol.TooLarge
	case fasthttp.StatusUnauthorized, fasthttp.StatusForbidden:
		return protocol.Unauthorized
	}
	return protocol.UnknownOutcome
}
