package client_test

import (
	"net"
	"net/http"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/client/ashlartest"
)

func TestZZForeign404(t *testing.T) {
	w := newWorld(t, ashlartest.WithMetaservers(1))
	w.put("bucket", "there", []byte("x"))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	up := make(chan bool)
	p := newLossy(t, w.Endpoints()[0])
	_ = up
	c := w.Open(client.Config{Endpoints: []string{p.ln.Addr().String()}})
	addr := w.Endpoints()[0]
	if err := w.KillMetaserver(0); err != nil {
		t.Fatal(err)
	}
	ln.Close()
	ln, err = net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.NotFoundHandler()}
	go srv.Serve(ln)
	defer srv.Close()
	_, err = c.Stat(t.Context(), "bucket", "there")
	t.Log("stat:", err)
}
