package client

import (
	"context"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// SetKeepAlive makes uploads of c use their session every d.
func (c *Client) SetKeepAlive(d time.Duration) { c.keepAlive = d }

// RenewAround is Renew to so many copies, with something that happens between that
// it finds the object and that it goes on.
func (c *Client) RenewAround(ctx context.Context, bucket, name string, copies int, happens func()) (Object, error) {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return Object{}, err
	}
	defer end()
	ans, err := c.lookup(ctx, &pb.LookupRequest{Bucket: bucket, Name: name})
	if err != nil {
		return Object{}, err
	}
	happens()
	return c.renewFound(ctx, ans, copies)
}
