package rpc

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// endless is a body without an end that tells when it is given up.
type endless struct {
	once   sync.Once
	closed chan struct{}
}

func (e *endless) Read(b []byte) (int, error) { return len(b), nil }

func (e *endless) Close() error {
	e.once.Do(func() { close(e.closed) })
	return nil
}

// TestSlowReadersAreCut: one who asks for much and does not read it loses the
// connection after WriteTimeout, and others are served meanwhile.
func TestSlowReadersAreCut(t *testing.T) {
	body := &endless{closed: make(chan struct{})}
	s := NewServer(ServerConfig{Name: "test", WriteTimeout: 200 * time.Millisecond})
	s.HandleRaw("/endless", func(ctx *fasthttp.RequestCtx) error {
		ctx.SetBodyStream(body, -1)
		return nil
	})
	s.HandleRaw("/short", func(ctx *fasthttp.RequestCtx) error {
		ctx.SetBodyString("short")
		return nil
	})
	addr := start(t, s)
	slow := dial(t, addr)
	if _, err := io.WriteString(slow, "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get("http://" + addr + "/short")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("another reader: %v, %v", answer, err)
	}
	_ = answer.Body.Close()
	select {
	case <-body.closed:
	case <-time.After(patience):
		t.Error("a reader that does not read is still served")
	}
}
