package embedded

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// atOnce returns a context that has ended: closing under it hands nothing over
// and waits for nobody.
func atOnce() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

const (
	// restartTries bounds how often a metaserver that was killed is started, with
	// restartPause between two tries: the last requests that were cut off may hold
	// its state open a moment longer.
	restartTries = 40
	restartPause = 50 * time.Millisecond
)

// butCanceled drops from err what only says that nobody was waited for.
func butCanceled(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var rest []error
		for _, e := range joined.Unwrap() {
			rest = append(rest, butCanceled(e))
		}
		return errors.Join(rest...)
	}
	if errors.Is(err, context.Canceled) || protocol.KindOf(err) == protocol.Unavailable {
		return nil
	}
	return err
}

// Leader returns the index of the metaserver that leads, or -1.
func (c *Cluster) Leader() int {
	for i, s := range c.metaservers() {
		if s != nil && s.IsLeader() {
			return i
		}
	}
	return -1
}

// NodeOf returns the number that the log gave blockserver i; 0 while it is down
// or not registered.
func (c *Cluster) NodeOf(i int) protocol.NodeID {
	if s := c.blockservers()[i]; s != nil {
		return s.Node()
	}
	return 0
}

// KillMetaserver ends metaserver i, from 0, abruptly. One that is down already
// stays down.
func (c *Cluster) KillMetaserver(i int) error {
	c.mu.Lock()
	s := c.meta[i]
	c.meta[i] = nil
	c.mu.Unlock()
	if s == nil {
		return nil
	}
	return butCanceled(s.Close(atOnce()))
}

// RestartMetaserver starts metaserver i again after KillMetaserver and returns
// when it is ready.
func (c *Cluster) RestartMetaserver(ctx context.Context, i int) error {
	if s := c.metaservers()[i]; s != nil {
		return protocol.Errorf(protocol.InvalidArgument, "metaserver %d runs", i+1)
	}
	err := c.restartMeta(ctx, i)
	for range restartTries {
		if err == nil || ctx.Err() != nil {
			break
		}
		time.Sleep(restartPause)
		err = c.restartMeta(ctx, i)
	}
	if err != nil {
		return err
	}
	return c.waitReady(ctx)
}

func (c *Cluster) restartMeta(ctx context.Context, i int) error {
	var ports [3]net.Listener
	for j, p := range []int{c.book.Meta[i].Client, c.book.Meta[i].Raft, c.book.Meta[i].Admin} {
		ln, err := listenOn(ctx, &p)
		if err != nil {
			for _, open := range ports[:j] {
				_ = open.Close()
			}
			return err
		}
		ports[j] = ln
	}
	return c.startMeta(ctx, i, ports)
}

// KillBlockserver ends blockserver i, from 0, abruptly. One that is down already
// stays down.
func (c *Cluster) KillBlockserver(i int) error {
	c.mu.Lock()
	s := c.blocks[i]
	c.blocks[i] = nil
	c.mu.Unlock()
	if s == nil {
		return nil
	}
	return butCanceled(s.Close(atOnce()))
}

// RestartBlockserver starts blockserver i again after KillBlockserver and
// returns when it is registered.
func (c *Cluster) RestartBlockserver(ctx context.Context, i int) error {
	if s := c.blockservers()[i]; s != nil {
		return protocol.Errorf(protocol.InvalidArgument, "blockserver %d runs", i+1)
	}
	ln, err := listenOn(ctx, &c.book.Block[i])
	if err != nil {
		return err
	}
	if err := c.startBlock(ctx, i, ln); err != nil {
		return err
	}
	return c.waitReady(ctx)
}
