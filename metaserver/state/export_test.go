package state

// What the tests of package state_test plant rows with.
var (
	KeyBlock    = keyBlock
	KeyCluster  = keyCluster
	KeyNode     = keyNode
	KeyIdentity = keyIdentity
)
