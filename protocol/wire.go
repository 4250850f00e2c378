package protocol

// Header names of the wire (system.md, The wire). Blockservers and metaservers
// answer with Cluster and Request on every response; a request that names
// another cluster is refused with WrongCluster.
const (
	// HeaderCluster carries the cluster's ID. A request may leave it out (curl by
	// hand, a client's first contact); an answer never does once it is known.
	HeaderCluster = "Ashlar-Cluster"
	// HeaderRequest carries a request id of up to 64 printable ASCII bytes,
	// chosen by the client or else by the server, echoed in the answer.
	HeaderRequest = "Ashlar-Request"
	// HeaderVersion carries a Version: the u of a store, the version kept.
	HeaderVersion = "Ashlar-Version"
	// HeaderPlainSize declares or tells a block's length in plain bytes.
	HeaderPlainSize = "Ashlar-Plain-Size"
	// HeaderKind repeats an error's kind by name, for answers that have no body
	// to say it in (HEAD).
	HeaderKind = "Ashlar-Kind"
	// HeaderNode tells the blockserver's number.
	HeaderNode = "Ashlar-Node"
)

// Media types of bodies.
const (
	TypeProtobuf = "application/x-protobuf"
	TypeJSON     = "application/json"
	TypeProblem  = "application/problem+json"
	TypeBytes    = "application/octet-stream"
)

// MaxRequestID bounds a request id, in bytes.
const MaxRequestID = 64

// Paths of a blockserver. A block's own path is PathBlocks + "/" + 64 digits.
const (
	PathBlocks    = "/v1/blocks"
	PathTouch     = "/v1/touch"
	PathOrders    = "/v1/orders"
	PathInventory = "/v1/inventory"
	PathStatus    = "/v1/status"
)

// Paths of a metaserver's client port; all take POST.
const (
	PathLayout        = "/v1/layout"
	PathPrepare       = "/v1/prepare"
	PathSessionOpen   = "/v1/session/open"
	PathSessionClose  = "/v1/session/close"
	PathCommit        = "/v1/commit"
	PathUploadCreate  = "/v1/upload/create"
	PathUploadAppend  = "/v1/upload/append"
	PathUploadAbort   = "/v1/upload/abort"
	PathLookup        = "/v1/lookup"
	PathList          = "/v1/list"
	PathDelete        = "/v1/delete"
	PathUndelete      = "/v1/undelete"
	PathTrashList     = "/v1/trash/list"
	PathTrashEmpty    = "/v1/trash/empty"
	PathBucketSet     = "/v1/bucket/set"
	PathBucketGet     = "/v1/bucket/get"
	PathClaims        = "/v1/claims"
	PathReport        = "/v1/report"
	PathBlockInfo     = "/v1/block"
	PathNodeRegister  = "/v1/node/register"
	PathClusterStatus = "/v1/status"
	PathExplain       = "/v1/explain"
	PathWorkList      = "/v1/work/list"
	PathWorkRetry     = "/v1/work/retry"
	PathWorkSet       = "/v1/work/set"
	PathWorkPlan      = "/v1/work/plan"
	PathPrefixDelete  = "/v1/prefix/delete"
	PathPrefixList    = "/v1/prefix/list"
	PathPrefixCancel  = "/v1/prefix/cancel"
	PathAudit         = "/v1/audit"
	PathNodeList      = "/v1/node/list"
	PathNodeStop      = "/v1/node/stop"
	PathNodeSet       = "/v1/node/set"
	PathNodeRemove    = "/v1/node/remove"
	PathLayoutPlan    = "/v1/layout/plan"
	PathLayoutApply   = "/v1/layout/apply"
	PathLayoutHistory = "/v1/layout/history"
	PathJobList       = "/v1/job/list"
	PathJobCancel     = "/v1/job/cancel"
)
