package client

import "sync/atomic"

// Stats counts what a call, or a client since Open, has moved.
type Stats struct {
	// BlocksSent counts blocks that were uploaded, each once whatever its number
	// of copies; BytesSent sums their compressed sizes, one copy each.
	BlocksSent int64 `json:"blocks_sent"`
	BytesSent  int64 `json:"bytes_sent"`
	// BlocksDeduplicated counts blocks that needed no upload, because they were
	// live or the same put had them already; BytesDeduplicated sums their plain
	// sizes.
	BlocksDeduplicated int64 `json:"blocks_deduplicated"`
	BytesDeduplicated  int64 `json:"bytes_deduplicated"`
	// BlocksFetched counts blocks that were read from a blockserver, BytesFetched
	// their plain sizes.
	BlocksFetched int64 `json:"blocks_fetched"`
	BytesFetched  int64 `json:"bytes_fetched"`
	// BytesInline sums contents that travelled in metadata, either way.
	BytesInline int64 `json:"bytes_inline"`
}

// counters is a Stats that many goroutines add to. What it counts, its parent
// counts too.
type counters struct {
	parent *counters

	blocksSent, bytesSent, blocksSame, bytesSame, blocksFetched, bytesFetched, bytesInline atomic.Int64
}

func (c *counters) sent(n int) {
	for ; c != nil; c = c.parent {
		c.blocksSent.Add(1)
		c.bytesSent.Add(int64(n))
	}
}

func (c *counters) same(n int) {
	for ; c != nil; c = c.parent {
		c.blocksSame.Add(1)
		c.bytesSame.Add(int64(n))
	}
}

func (c *counters) fetched(n int) {
	for ; c != nil; c = c.parent {
		c.blocksFetched.Add(1)
		c.bytesFetched.Add(int64(n))
	}
}

func (c *counters) inline(n int) {
	for ; c != nil; c = c.parent {
		c.bytesInline.Add(int64(n))
	}
}

func (c *counters) snapshot() Stats {
	return Stats{
		BlocksSent: c.blocksSent.Load(), BytesSent: c.bytesSent.Load(),
		BlocksDeduplicated: c.blocksSame.Load(), BytesDeduplicated: c.bytesSame.Load(),
		BlocksFetched: c.blocksFetched.Load(), BytesFetched: c.bytesFetched.Load(),
		BytesInline: c.bytesInline.Load(),
	}
}
