package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/client/ashlartest"
)

// lossy forwards connections to a server and now and then cuts one after the
// server has answered, before the client hears of it.
type lossy struct {
	ln   net.Listener
	to   string
	lost atomic.Int64
	seen atomic.Int64
	// every is how many answers pass before one is lost; 0 loses none.
	every atomic.Int64
	wg    sync.WaitGroup
}

func newLossy(t *testing.T, to string) *lossy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &lossy{ln: ln, to: to}
	p.wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.forward(conn) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		p.wg.Wait()
	})
	return p
}

func (p *lossy) forward(conn net.Conn) {
	defer conn.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	p.wg.Go(func() {
		_, _ = io.Copy(server, conn)
		_ = server.Close()
	})
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if n > 0 {
			if every := p.every.Load(); every > 0 && p.seen.Add(1)%every == 0 {
				p.lost.Add(1)
				return
			}
			if _, err := conn.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// TestAnswersLost: a change whose answer was lost is asked again and runs once.
func TestAnswersLost(t *testing.T) {
	w := newWorld(t, ashlartest.WithMetaservers(1))
	p := newLossy(t, w.Endpoints()[0])
	p.every.Store(3)
	content := noise(w.rng, 4000)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 10 {
				name := fmt.Sprint(i, "/", j)
				// A client that lost an answer goes on with the address that it has
				// learned; a new one begins at the proxy.
				c := w.Open(client.Config{Endpoints: []string{p.ln.Addr().String()}})
				if _, err := c.Put(t.Context(), "bucket", name, bytes.NewReader(append([]byte(name), content...)), client.IfAbsent()); err != nil {
					t.Errorf("put %s: %v", name, err)
				}
				if err := c.Delete(t.Context(), "bucket", name); err != nil {
					t.Errorf("delete %s: %v", name, err)
				}
				if _, err := c.Stat(t.Context(), "bucket", name); !errors.Is(err, client.ErrNotFound) {
					t.Errorf("stat %s: %v", name, err)
				}
			}
		})
	}
	wg.Wait()
	if n := p.lost.Load(); n < 20 {
		t.Errorf("only %d answers were lost", n)
	}
	p.every.Store(0)
}
