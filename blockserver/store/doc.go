// Package store keeps a node's blocks: one zstd file per hash, on one or more
// disks, each file under the name of its plain bytes' hash and with the version
// it was last stored or touched at in its header.
package store
