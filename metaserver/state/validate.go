package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Validate checks the form and limits of a command without any state: what it
// refuses, Apply refuses in the same way. The error is a *protocol.Error. A
// caller may ask before it proposes; Apply asks again, since a log may hold
// anything.
func Validate(c *record.Command) error {
	switch body := c.Body.(type) {
	case *record.Command_Bootstrap:
		return checkBootstrap(body.Bootstrap)
	case *record.Command_OpenSession:
		return checkID("a session", body.OpenSession.Session)
	case *record.Command_CloseSession:
		return checkID("a session", body.CloseSession.Session)
	case *record.Command_Commit:
		return checkCommit(body.Commit)
	case *record.Command_Delete:
		return checkDelete(body.Delete)
	case *record.Command_Undelete:
		return checkUndelete(body.Undelete)
	case *record.Command_PutBucket:
		return checkPutBucket(body.PutBucket)
	case *record.Command_DeletePrefix:
		return checkDeletePrefix(body.DeletePrefix)
	case *record.Command_CreateUpload:
		return checkCreateUpload(body.CreateUpload)
	case *record.Command_AppendUpload:
		return checkAppendUpload(body.AppendUpload)
	case *record.Command_AbortUpload:
		return checkAbortUpload(body.AbortUpload)
	case *record.Command_Unreference:
		return checkUnreference(body.Unreference)
	case *record.Command_Copied:
		return checkCopied(body.Copied)
	case *record.Command_Register:
		return checkRegister(body.Register)
	case *record.Command_PutMetaMember:
		return checkMetaMember(body.PutMetaMember.Member)
	case *record.Command_RemoveMetaMember:
		return nil
	case *record.Command_PutSettings:
		return checkPutSettings(body.PutSettings)
	case *record.Command_MarkDigest, *record.Command_CompareDigest:
		return nil
	}
	return validateWork(c)
}

// validateWork is Validate for what the leader proposes about blocks and nodes.
func validateWork(c *record.Command) error {
	switch body := c.Body.(type) {
	case *record.Command_EmptyTrash:
		return checkEmptyTrash(body.EmptyTrash)
	case *record.Command_DeletePrefixStep:
		return checkDeletePrefixStep(body.DeletePrefixStep)
	case *record.Command_Condemn:
		return checkCondemn(body.Condemn)
	case *record.Command_Drop:
		return checkDrop(body.Drop)
	case *record.Command_Deleted:
		return checkDeleted(body.Deleted)
	case *record.Command_Reap:
		return checkReap(body.Reap)
	case *record.Command_Lost:
		return checkLost(body.Lost)
	case *record.Command_CleanNode:
		return checkCleanNode(body.CleanNode)
	case *record.Command_Reindex:
		return checkReindex(body.Reindex)
	case *record.Command_Postpone:
		return checkPostpone(body.Postpone)
	case *record.Command_RetryNow:
		return checkRetryNow(body.RetryNow)
	case *record.Command_ChangeLayout:
		return checkChangeLayout(body.ChangeLayout)
	case *record.Command_SweepStep:
		return checkSweepStep(body.SweepStep)
	case *record.Command_MoveSettled:
		return checkMoveSettled(body.MoveSettled)
	case *record.Command_StartGeneration:
		return checkStartGeneration(body.StartGeneration)
	case *record.Command_CancelPrefixJob, *record.Command_RemoveNode, *record.Command_InventoryTaken,
		*record.Command_SetNodeState, *record.Command_CancelSweep:
		return nil
	}
	return protocol.Errorf(protocol.Unsupported, "this build does not know the command")
}

// Rows is how many rows applying c usually touches at most, trimmed results of its
// session beyond two left out, so that a batcher can keep an entry within
// protocol.MaxEntryRows, less protocol.SessionWindow. Apply counts what it really
// touches: it answers Busy to what no longer fits, and leaves items of reclamation
// for later.
func Rows(c *record.Command) int {
	const few = 4
	switch body := c.Body.(type) {
	case *record.Command_CloseSession:
		return few + protocol.SessionWindow + 4*protocol.MaxUploadsPerSession
	case *record.Command_Commit:
		return 2*few + rowsOfBlocks(body.Commit.Blocks, body.Commit.Claims)
	case *record.Command_AppendUpload:
		return 2*few + rowsOfBlocks(body.AppendUpload.Blocks, body.AppendUpload.Claims)
	case *record.Command_Copied:
		return few + rowsOfBlocks(body.Copied.Blocks, body.Copied.Claims)
	case *record.Command_Delete:
		return few + 1 + rowsOfEnd*len(body.Delete.Items)
	case *record.Command_EmptyTrash:
		return few + rowsOfEmptying*len(body.EmptyTrash.Items)
	case *record.Command_DeletePrefixStep:
		return few + rowsOfEnd*int(min(body.DeletePrefixStep.Count, protocol.MaxPrefixStep))
	case *record.Command_Unreference:
		return few + rowsOfUnreference(body.Unreference)
	}
	return 2*few + rowsOfWork(c)
}

// rowsOfWork is Rows for what the leader proposes about blocks and nodes.
func rowsOfWork(c *record.Command) int {
	switch body := c.Body.(type) {
	case *record.Command_Condemn:
		return rowsOfItem * len(body.Condemn.Hashes) / protocol.HashSize
	case *record.Command_Drop:
		return rowsOfItem * len(body.Drop.Items)
	case *record.Command_Deleted:
		return rowsOfItem * len(body.Deleted.Items)
	case *record.Command_Reap:
		return 2 * len(body.Reap.Hashes) / protocol.HashSize
	case *record.Command_Lost:
		return rowsOfItem * len(body.Lost.Items)
	case *record.Command_CleanNode:
		return rowsOfItem * int(body.CleanNode.Count)
	case *record.Command_Reindex:
		return rowsOfItem * int(body.Reindex.Count)
	case *record.Command_SweepStep:
		return rowsOfItem * int(body.SweepStep.Count)
	case *record.Command_MoveSettled:
		return rowsOfItem * len(body.MoveSettled.Hashes) / protocol.HashSize
	case *record.Command_ChangeLayout:
		return maxLayouts + 2*len(body.ChangeLayout.Changes)
	case *record.Command_RemoveNode, *record.Command_Register, *record.Command_SetNodeState:
		return maxLayouts
	case *record.Command_PutSettings:
		return rowsOfItem * MaxBatch
	case *record.Command_StartGeneration:
		return protocol.MaxNodes
	case *record.Command_Postpone:
		return rowsOfMove * len(body.Postpone.Items)
	case *record.Command_RetryNow:
		return rowsOfMove * int(min(body.RetryNow.Limit, MaxBatch)+1)
	}
	return 0
}

// rowsOfBlock is how many rows of its own a block of a commit usually touches: its
// record, and its row of the schedule before and after.
const rowsOfBlock = 3

func rowsOfBlocks(b *pb.Blocks, claims []*pb.Claim) int {
	return rowsOfBlock*len(b.GetPlainSizes()) + nodesNamed(claims)
}

// nodesNamed counts the nodes that claims name, each once.
func nodesNamed(claims []*pb.Claim) (count int) {
	var seen [protocol.MaxNodes / 64]uint64
	for _, c := range claims {
		at := c.Node % protocol.MaxNodes
		if bit := uint64(1) << (at % 64); seen[at/64]&bit == 0 {
			seen[at/64] |= bit
			count++
		}
	}
	return count
}

// checkID accepts 16 bytes that are not all zero.
func checkID(what string, b []byte) error {
	id, err := protocol.IDFromBytes(b)
	if err != nil {
		return err
	}
	if id.IsZero() {
		return protocol.Errorf(protocol.InvalidArgument, "%s has the zero id, which names nothing", what)
	}
	return nil
}

// checkCall accepts a missing call: the request is then not exactly-once.
func checkCall(c *pb.Call) error {
	if c == nil {
		return nil
	}
	if err := checkID("a session", c.Session); err != nil {
		return err
	}
	if fromPB(c.Opened).IsZero() {
		return protocol.Errorf(protocol.InvalidArgument, "a call carries the version that opened its session, as the answer to the opening tells it")
	}
	if c.Sequence == 0 || c.LowestUnacked > c.Sequence {
		return protocol.Errorf(protocol.InvalidArgument, "sequences count from 1, and the lowest unacknowledged one (%d) is not above the request's (%d)", c.LowestUnacked, c.Sequence)
	}
	return nil
}

// checkBlocks accepts between least and protocol.MaxBlocksPerPage blocks, each
// with a hash and both sizes, and claims that speak of one of them. It returns
// the sum of the plain sizes.
func checkBlocks(b *pb.Blocks, claims []*pb.Claim, least int) (size uint64, err error) {
	n := len(b.GetPlainSizes())
	if n < least || n > protocol.MaxBlocksPerPage {
		return 0, protocol.Errorf(protocol.InvalidArgument, "a request names %d to %d blocks, not %d", least, protocol.MaxBlocksPerPage, n)
	}
	if len(b.GetHashes()) != n*protocol.HashSize || len(b.GetStoredSizes()) != n {
		return 0, protocol.Errorf(protocol.InvalidArgument, "%d blocks need %d bytes of hashes and %d stored sizes, not %d and %d", n, n*protocol.HashSize, n, len(b.GetHashes()), len(b.GetStoredSizes()))
	}
	for i := range n {
		if plain := b.PlainSizes[i]; plain == 0 || plain > protocol.MaxBlockSize {
			return 0, protocol.Errorf(protocol.InvalidArgument, "block %d has %d plain bytes; it may have 1 to %d", i, plain, protocol.MaxBlockSize)
		}
		if stored := b.StoredSizes[i]; stored == 0 || stored > protocol.MaxStoredSize {
			return 0, protocol.Errorf(protocol.InvalidArgument, "block %d has %d stored bytes; it may have 1 to %d", i, stored, protocol.MaxStoredSize)
		}
		if protocol.Hash(hashAt(b.Hashes, i)).IsZero() {
			return 0, protocol.Errorf(protocol.InvalidArgument, "block %d has the zero hash, which names nothing", i)
		}
		size += uint64(b.PlainSizes[i])
	}
	return size, checkClaims(claims, n)
}

func checkClaims(claims []*pb.Claim, blocks int) error {
	if len(claims) > blocks*protocol.MaxClaimsPerBlock {
		return protocol.Errorf(protocol.InvalidArgument, "%d blocks carry at most %d claims each; there are %d", blocks, protocol.MaxClaimsPerBlock, len(claims))
	}
	for i, c := range claims {
		if uint64(c.Block) >= uint64(blocks) {
			return protocol.Errorf(protocol.InvalidArgument, "claim %d speaks of block %d of %d", i, c.Block, blocks)
		}
	}
	return nil
}
