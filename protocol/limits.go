package protocol

// Every limit that two roles rely on. limits_test.go asserts how they relate.
const (
	// MaxBlockSize bounds the plain bytes of one block.
	MaxBlockSize = 16 << 20
	// DefaultBlockSize is how the SDK cuts streams.
	DefaultBlockSize = 1 << 20
	// MaxStoredSize bounds the compressed form of one block: zstd adds at most
	// 3 bytes a 128 KiB block and a small frame header to what does not shrink.
	MaxStoredSize = MaxBlockSize + 64<<10
	// MaxInlineSize is the largest object that lives in metadata.
	MaxInlineSize = 3 << 10
	// MaxBucketLength and MinBucketLength bound a bucket's name, in bytes.
	MaxBucketLength = 63
	MinBucketLength = 3
	// MaxNameLength bounds an object's name, in bytes of UTF-8.
	MaxNameLength = 1024
	// MaxContentTypeLength bounds a content type, in bytes.
	MaxContentTypeLength = 255
	// MaxUserMetadata bounds the sum of all user metadata keys and values.
	MaxUserMetadata = 2 << 10
	// MaxListPage bounds one page of a listing, prefixes included.
	MaxListPage = 1000
	// MaxDeleteBatch bounds the names of one delete request.
	MaxDeleteBatch = 100
	// MaxTrashBatch bounds the objects that one step takes out of the trash.
	MaxTrashBatch = 100
	// MaxTrashKeepMs bounds how long a bucket keeps what was deleted, in
	// milliseconds: ten years.
	MaxTrashKeepMs = 10 * 365 * 24 * 60 * 60 * 1000
	// MaxEntrySize bounds one log entry, in bytes.
	MaxEntrySize = 256 << 10
	// MaxEntryRows bounds the rows that one log entry touches.
	MaxEntryRows = 4096
	// MaxBlocksPerPage bounds the blocks of one commit, upload page or claims request,
	// so that a page always fits in an entry: MaxRowsPerBlock rows for each, beside
	// those of MaxNodes.
	MaxBlocksPerPage = 200
	// MaxRowsPerBlock bounds the rows that a page touches for each of its blocks, on
	// average: the record, those of the copies that it lacks and of the move that it
	// needs, and what they or its last phase implied before, two rows for each that
	// was postponed. That is most of a condemned block that comes back: the deletes
	// that are owed by every node that claims it.
	MaxRowsPerBlock = 1 + 2 + 2*MaxClaimsPerBlock
	// MaxClaimsPerBlock bounds the claims sent for one block.
	MaxClaimsPerBlock = 5
	// MaxPagesPerUpload bounds an object to 45,000 pages of 200 blocks.
	MaxPagesPerUpload = 45000
	// MaxUnreferenceStep bounds the references one Unreference entry takes back.
	MaxUnreferenceStep = 1000
	// MaxPrefixJobs bounds the deletes of prefixes that run at once.
	MaxPrefixJobs = 64
	// MaxEndedPrefixJobs bounds the deletes of prefixes that are listed after
	// their end.
	MaxEndedPrefixJobs = 100
	// MaxPrefixStep bounds the names that one step of such a delete looks at.
	MaxPrefixStep = 1000
	// MaxAuditRows bounds the rows of the audit that may be kept, DefaultAuditRows
	// those that are.
	MaxAuditRows     = 1_000_000
	DefaultAuditRows = 100_000
	// MaxAuditBytes bounds the bytes of the audit; the oldest rows go.
	MaxAuditBytes = 64 << 20
	// MaxAuditPage bounds the rows of one answer about the audit.
	MaxAuditPage = 1000
	// MaxTouchBatch bounds the hashes of one touch or prepare request.
	MaxTouchBatch = 1000
	// MaxSources bounds the nodes that one copy order names, to fetch a block from.
	MaxSources = 16
	// MaxInventoryPage bounds the items of one inventory page.
	MaxInventoryPage = 1000
	// SessionWindow bounds the requests of one session that are in flight.
	SessionWindow = 64
	// MaxSessions bounds the sessions that are open at once.
	MaxSessions = 16384
	// MaxUploadsPerSession bounds the uploads that one session has open.
	MaxUploadsPerSession = 64
	// MaxNodes bounds the blockservers of a cluster, MaxDisks those of a node.
	MaxNodes = 1024
	MaxDisks = 64
	// MaxMetaservers bounds the Raft group.
	MaxMetaservers = 7
	// MaxMetaRequest bounds the body of a request to a metaserver.
	MaxMetaRequest = 1 << 20
	// MaxMetaAnswer bounds the body of a metaserver's answer.
	MaxMetaAnswer = 8 << 20
	// Partitions is the number of hash prefixes that a layout places.
	Partitions = 4096
	// MaxGeneration bounds the generations of versions.
	MaxGeneration = 1 << 31
	// MaxMetGeneration bounds what the next generation has to be above by a node's word
	// alone: whatever one shows, a generation can be started.
	MaxMetGeneration = 1 << 30
	// MaxGenerationStep bounds how far a generation is started above the highest before
	// it, or above MaxMetGeneration: none that is started is the last.
	MaxGenerationStep = 1 << 20
	// MaxRedundancy bounds R.
	MaxRedundancy = 5
	// MaxAddressLength bounds host:port, MaxZoneLength a zone's name.
	MaxAddressLength = 255
	MaxZoneLength    = 63
)

// Defaults of a new cluster.
const (
	// DefaultRedundancy is R, DefaultQuorum is Q (and W, the acknowledgements a
	// client waits for).
	DefaultRedundancy = 3
	DefaultQuorum     = 2
)
