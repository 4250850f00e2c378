// Package blockserver is a node that keeps blocks and does what it is told: the
// wiring of a store to HTTP, and the node's registration with the metaservers.
//
// A node binds its port at once and serves reads at once: bytes are named by
// their hash, so that anybody can check them and nobody needs a leader's word.
// Meanwhile it registers in the background, asking every metaserver in turn for
// as long as it takes, and only when its Register entry is applied does it
// acknowledge stores and touches (reclamation.md, Register). It does so anew when
// its orders name a higher incarnation, or a higher generation, than it was admitted
// with: what it acknowledges would not be believed. A refusal of its identity ends
// it: [Server.Wait] returns why.
//
// The verbs (system.md, The wire) are made for programs and for curl alike:
//
//	PUT  /v1/blocks/{hash}   store bytes under the hash that the sender says
//	POST /v1/blocks          store bytes under the hash that the server finds
//	GET, HEAD /v1/blocks/{hash}
//	POST /v1/touch           raise the versions of many blocks
//	GET  /v1/inventory       what is here, in pages, in hash order
//	GET  /v1/status, /healthz, /readyz, /metrics
//
// There is no DELETE: deletion is an order with a version, never a person's verb.
//
// A reader that accepts zstd gets the stored frames as they lie in the file.
// They are not decoded on the way and so not checked here beyond the header;
// whoever asks for them verifies the decoded bytes against the hash. A reader
// that does not gets plain bytes, and those are verified first.
//
// Invariants, by name:
//   - Nothing acknowledged before Register: PUT, POST and touch answer
//     not-registered until the store has adopted what Register answered.
//   - Verified before the first byte: plain bytes leave only after all of the
//     block was checked against its hash; a copy that fails is set aside first.
//   - Bounded in flight: every block in memory is charged to one budget
//     (Config.MaxMemory) from before it is read until after it is written. At
//     the limit the answer is busy, at once; nobody waits for memory.
//   - Full early: from its high watermark until below its low one a disk takes no
//     new blocks, and the answer is full (507), before the body is read where the
//     hash is known; copies that the leader orders may go somewhat further.
//   - One spelling: a block's path has 64 lower-case hexadecimal digits and no
//     other form of it reaches the store.
package blockserver
