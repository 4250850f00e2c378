package metaserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Run starts a metaserver and ends it gracefully when ctx ends, within
// cfg.ShutdownTimeout. It returns what made the server stop by itself, if that
// came first.
func Run(ctx context.Context, cfg Config) error {
	s, err := Start(ctx, cfg)
	if err != nil {
		return err
	}
	var cause error
	select {
	case <-ctx.Done():
	case <-s.failed:
		cause = s.fatal
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownTimeout)
	defer cancel()
	if err := s.Close(end); cause == nil {
		return err
	}
	return cause
}

// Wait returns when the server has ended: nil after Close, else why it cannot go
// on, in which case the process should exit.
func (s *Server) Wait() error {
	select {
	case <-s.failed:
		return s.fatal
	case <-s.closed:
		return nil
	}
}

// fail records why the server cannot go on.
func (s *Server) fail(err error) {
	s.failOnce.Do(func() {
		s.cfg.Logger.Error("metaserver cannot go on", "error", err)
		s.fatal = err
		close(s.failed)
	})
}

// serveUntilClosed judges why a port stopped serving.
func (s *Server) serveUntilClosed(port string, err error) {
	if err == nil || s.closing.Load() || errors.Is(err, http.ErrServerClosed) {
		return
	}
	s.fail(protocol.Errorf(protocol.Unavailable, "the %s port stopped serving: %w", port, err))
}

// Close ends the server: no new requests, those under way answered or cut when
// ctx ends, leadership handed over, all stores closed. It may be called again.
func (s *Server) Close(ctx context.Context) error {
	s.closeOnce.Do(func() {
		s.closeErr = s.end(ctx)
		close(s.closed)
	})
	<-s.closed
	return s.closeErr
}

func (s *Server) end(ctx context.Context) error {
	s.closing.Store(true)
	requests := s.stopRequests(ctx)
	s.stop()
	replica := s.replica.Close(ctx)
	admin := s.adminHTTP.Shutdown(ctx)
	_ = s.adminHTTP.Close()
	// Ports that were never served, as before a restore is complete, are still open.
	s.ports.close()
	s.background.Wait()
	s.admin.Close()
	s.pinger.Close()
	s.orders.Close()
	if errors.Is(requests, context.DeadlineExceeded) {
		s.cfg.Logger.Warn("requests under way were cut", "error", requests)
	}
	return errors.Join(ended("requests", requests), ended("replica", replica), ended("admin port", admin))
}

// ended names an error of closing. Having cut what was under way, or finding a
// port closed already, is none.
func ended(what string, err error) error {
	if err == nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("close %s: %w", what, err)
}

// stopRequests answers what is under way, and leaves half of ctx's time for what
// follows.
func (s *Server) stopRequests(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	return s.client.Shutdown(ctx)
}
