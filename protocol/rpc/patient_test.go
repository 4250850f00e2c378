package rpc

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
)

// failing is a listener whose first calls of Accept fail as told.
type failing struct {
	net.Listener
	errs []error
	// refused is told of each failure, if it is there.
	refused chan struct{}
}

func (f *failing) Accept() (net.Conn, error) {
	if len(f.errs) == 0 {
		return f.Listener.Accept()
	}
	err := f.errs[0]
	f.errs = f.errs[1:]
	if f.refused != nil {
		f.refused <- struct{}{}
	}
	return nil, err
}

func acceptError(errno syscall.Errno) error {
	return &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", errno)}
}

func openPort(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// A port outlives what passes, and tells what does not.
func TestPatientPort(t *testing.T) {
	inner := &failing{Listener: openPort(t), errs: []error{
		acceptError(syscall.EMFILE), acceptError(syscall.ENFILE), acceptError(syscall.ECONNABORTED), acceptError(syscall.ENOMEM),
	}}
	ln := Patient(inner, slog.New(slog.DiscardHandler))
	go func() {
		if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
			_ = c.Close()
		}
	}()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	for _, lasting := range []error{acceptError(syscall.EINVAL), net.ErrClosed, errors.New("something else")} {
		inner.errs = []error{lasting}
		if _, err := ln.Accept(); !errors.Is(err, lasting) {
			t.Errorf("%v became %v", lasting, err)
		}
	}
}

// Close ends Accept, also while it waits.
func TestPatientPortCloses(t *testing.T) {
	inner := &failing{Listener: openPort(t), refused: make(chan struct{}, 1<<10)}
	for range 1 << 10 {
		inner.errs = append(inner.errs, acceptError(syscall.EMFILE))
	}
	ln := Patient(inner, slog.New(slog.DiscardHandler))
	ended := make(chan error)
	go func() {
		_, err := ln.Accept()
		ended <- err
	}()
	<-inner.refused
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
}
