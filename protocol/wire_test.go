package protocol

import "testing"

// TestWireNamesGolden pins what is written on the wire by name. Nothing here may
// change; new names are added.
func TestWireNamesGolden(t *testing.T) {
	for _, c := range [][2]string{
		{HeaderCluster, "Ashlar-Cluster"},
		{HeaderRequest, "Ashlar-Request"},
		{HeaderVersion, "Ashlar-Version"},
		{HeaderPlainSize, "Ashlar-Plain-Size"},
		{HeaderKind, "Ashlar-Kind"},
		{HeaderNode, "Ashlar-Node"},
		{TypeProtobuf, "application/x-protobuf"},
		{TypeJSON, "application/json"},
		{TypeProblem, "application/problem+json"},
		{TypeBytes, "application/octet-stream"},
		{PathBlocks, "/v1/blocks"},
		{PathTouch, "/v1/touch"},
		{PathOrders, "/v1/orders"},
		{PathInventory, "/v1/inventory"},
		{PathStatus, "/v1/status"},
		{PathLayout, "/v1/layout"},
		{PathPrepare, "/v1/prepare"},
		{PathSessionOpen, "/v1/session/open"},
		{PathSessionClose, "/v1/session/close"},
		{PathCommit, "/v1/commit"},
		{PathUploadCreate, "/v1/upload/create"},
		{PathUploadAppend, "/v1/upload/append"},
		{PathUploadAbort, "/v1/upload/abort"},
		{PathLookup, "/v1/lookup"},
		{PathList, "/v1/list"},
		{PathDelete, "/v1/delete"},
		{PathClaims, "/v1/claims"},
		{PathReport, "/v1/report"},
		{PathBlockInfo, "/v1/block"},
		{PathNodeRegister, "/v1/node/register"},
		{PathClusterStatus, "/v1/status"},
		{PathPrefixDelete, "/v1/prefix/delete"},
		{PathPrefixList, "/v1/prefix/list"},
		{PathPrefixCancel, "/v1/prefix/cancel"},
		{PathAudit, "/v1/audit"},
	} {
		if c[0] != c[1] {
			t.Errorf("%q is written %q on the wire", c[1], c[0])
		}
	}
	if HashSize != 32 || VersionSize != 12 || MaxRequestID != 64 || Partitions != 4096 {
		t.Error("a fixed size has changed")
	}
}
