package rpc

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// TestLimitsRelate asserts what the two ends assume of each other's limits.
func TestLimitsRelate(t *testing.T) {
	for _, c := range []struct {
		what string
		ok   bool
	}{
		{"the client lets go of a connection long before the server does", 2*MaxIdle < DefaultIdleTimeout},
		{"a client's connections to one server fit under its bound for one address", 4*DefaultMaxConnsPerHost <= DefaultMaxConnsPerAddress},
		{"one address cannot take all connections", DefaultMaxConnsPerAddress < DefaultMaxConns},
		{"requests in flight are refused before connections run out", DefaultConcurrency < DefaultMaxConns},
		{"a path fits in the header with room to spare", 2*MaxPath <= MaxHeader},
		{"a block's path fits", len(protocol.PathBlocks)+1+2*protocol.HashSize < MaxPath},
		{"an escaped query fits the longest names", 3*protocol.MaxBucketLength < MaxPath},
		{"a refusal of a page of hashes is read whole", protocol.MaxBlocksPerPage*(2*protocol.HashSize+3)+4096 < maxProblem},
		{"a problem fits in an answer", maxProblem <= protocol.MaxMetaAnswer},
		{"a refused block body is read to its end", lingerBytes > 2*protocol.MaxStoredSize},
		{"connecting leaves time for the call", 2*DialTimeout < DefaultTimeout},
		{"a client gives up before the server does", DefaultTimeout < DefaultRequestTimeout},
		{"the largest block at the slowest rate is done before an idle connection would end twice over", protocol.MaxStoredSize/MinBodyRate < 300},
	} {
		if !c.ok {
			t.Errorf("not so: %s", c.what)
		}
	}
}
