package client

import "time"

// SetKeepAlive makes uploads of c use their session every d.
func (c *Client) SetKeepAlive(d time.Duration) { c.keepAlive = d }
