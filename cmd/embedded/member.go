package embedded

import (
	"context"
	"net"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// atOnce returns a context that has ended: closing under it hands nothing over
// and waits for nobody.
func atOnce() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
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
	return s.Close(atOnce())
}

// RestartMetaserver starts metaserver i again after KillMetaserver and returns
// when it is ready.
func (c *Cluster) RestartMetaserver(ctx context.Context, i int) error {
	if s := c.metaservers()[i]; s != nil {
		return protocol.Errorf(protocol.InvalidArgument, "metaserver %d runs", i+1)
	}
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
	if err := c.startMeta(ctx, i, ports); err != nil {
		return err
	}
	return c.waitReady(ctx)
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
	return s.Close(atOnce())
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
