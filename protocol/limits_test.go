package protocol

import "testing"

// TestLimitsRelate asserts what the rooms assume of each other's limits.
func TestLimitsRelate(t *testing.T) {
	const (
		hashes  = MaxBlocksPerPage * HashSize
		sizes   = MaxBlocksPerPage * 2 * 4 // two varints of up to 16 MiB, packed
		claim   = 40                       // a claim with its tag, in the wire's form, at its usual largest
		claims  = MaxBlocksPerPage * MaxClaimsPerBlock * claim
		objects = MaxNameLength + MaxUserMetadata + MaxContentTypeLength + MaxBucketLength
	)
	for _, c := range []struct {
		what string
		ok   bool
	}{
		{"a default block is a whole number of times in the largest", MaxBlockSize%DefaultBlockSize == 0},
		{"a stored block has room for what zstd adds to raw bytes", MaxStoredSize >= MaxBlockSize+3*(MaxBlockSize/(128<<10)+1)+18},
		{"a block's sizes fit in 32 bits", MaxStoredSize < 1<<31},
		{"an inline object is smaller than a block", MaxInlineSize < DefaultBlockSize},
		{"an inline object with all its names fits in one entry", MaxInlineSize+objects < MaxEntrySize},
		{"a full page of blocks and claims fits in one entry", hashes+sizes+claims+objects < MaxEntrySize},
		{"a full page touches no more rows than an entry may, beside those of all nodes and of what ends each entry", MaxRowsPerBlock*MaxBlocksPerPage+MaxNodes+300 < MaxEntryRows},
		{"an unreference step touches no more rows than an entry may", MaxUnreferenceStep < MaxEntryRows},
		{"a delete batch of the longest names fits in one entry", MaxDeleteBatch*(MaxNameLength+64) < MaxEntrySize},
		{"a batch of trash of the longest names fits in one entry", MaxTrashBatch*(MaxNameLength+MaxBucketLength+64) < MaxEntrySize},
		{"the longest keep added to any clock of our time fits in 63 bits", MaxTrashKeepMs < 1<<62},
		{"an entry fits in a request", MaxEntrySize < MaxMetaRequest},
		{"a step of a delete of a prefix touches no more rows than an entry may", 2*MaxPrefixStep < MaxEntryRows},
		{"the audit's default is within its bound", DefaultAuditRows <= MaxAuditRows},
		{"a touch batch fits in a request", MaxTouchBatch*HashSize < MaxMetaRequest},
		{"a list page of the longest names fits in an answer", MaxListPage*(objects+128) < MaxMetaAnswer},
		{"an inventory page fits in an answer", MaxInventoryPage*128 < MaxMetaAnswer},
		{"a page of blocks with all copies fits in an answer", hashes+sizes+MaxBlocksPerPage*MaxRedundancy*16 < MaxMetaAnswer},
		{"a layout of the widest table fits in an answer", Partitions*MaxRedundancy*3+MaxNodes*(MaxAddressLength+MaxZoneLength+64) < MaxMetaAnswer},
		{"partitions are a power of two, to be a hash's first bits", Partitions&(Partitions-1) == 0},
		{"an object of default blocks may have 8 TiB", uint64(MaxPagesPerUpload)*MaxBlocksPerPage*DefaultBlockSize >= 8<<40},
		{"the longest object's size fits in 63 bits", uint64(MaxPagesPerUpload)*MaxBlocksPerPage < (1<<63)/MaxBlockSize},
		{"a block's claims cover the redundancy", MaxClaimsPerBlock >= MaxRedundancy},
		{"1 <= Q <= R", DefaultQuorum >= 1 && DefaultQuorum <= DefaultRedundancy && DefaultRedundancy <= MaxRedundancy},
		{"two default quorums meet", 2*DefaultQuorum > DefaultRedundancy},
		{"the Raft group may be odd at its largest", MaxMetaservers%2 == 1},
		{"above what a node can show there are generations left", MaxMetGeneration < MaxGeneration/2+1 && MaxGeneration < 1<<32-1},
		{"the last generation is a thousand steps away", (MaxGeneration-MaxMetGeneration)/MaxGenerationStep > 1000},
		{"a bucket's bounds are ordered", MinBucketLength < MaxBucketLength},
		{"the session window is what a bitmap of one word holds", SessionWindow <= 64},
	} {
		if !c.ok {
			t.Errorf("not so: %s", c.what)
		}
	}
}
