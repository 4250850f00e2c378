package state_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

type sample struct {
	name    string
	message interface{ MarshalVT() ([]byte, error) }
}

func sampleVersion() *pb.Version { return &pb.Version{Generation: 1, Counter: 300} }

func sampleBlocks() *pb.Blocks {
	return &pb.Blocks{Hashes: []byte(strings.Repeat("h", 64)), PlainSizes: []uint32{100, 1 << 20}, StoredSizes: []uint32{60, 1 << 20}}
}

func sampleMember() *record.MetaMember {
	return &record.MetaMember{Id: "a", ClientAddress: "c", RaftAddress: "r", AdminAddress: "d", FeatureLevel: 1}
}

// sampleRows has every row of the table with every field set.
func sampleRows() []sample {
	return []sample{
		{"row cluster", &record.Cluster{
			Cluster: []byte("cluster"), Generation: 1, Counter: 2, First: sampleVersion(), Watermark: sampleVersion(),
			Settings: &record.Settings{
				Redundancy: 3, Quorum: 2, FeatureLevel: 1, GraceMs: 4, PausedClasses: 5, TranquilityPercent: 6, OrdersPerNode: 7,
				DownAfterMs: 20, AwayAfterMs: 21, AutoLayout: true,
			}, SettingsVersion: sampleVersion(), Digest: []byte("digest"),
			Counters: &pb.Counters{
				Objects: 1, LogicalBytes: 2, LiveBlocks: 3, LivePlainBytes: 4, LiveStoredBytes: 5, UnreferencedBlocks: 6,
				UnreferencedStoredBytes: 7, CondemnedBlocks: 8, CondemnedStoredBytes: 9, CopiesStoredBytes: 10, CountedCopies: 11,
				UnderReplicatedBlocks: 12, InlineBytes: 13, Sessions: 14, Uploads: 15, UnreferenceJobs: 16, UnreferenceLeft: 17,
				References: 18, ReferencedByCopies: []uint64{1, 2, 3, 4, 5, 6}, TrashObjects: 20, TrashLogicalBytes: 21, TrashInlineBytes: 22,
				MovingBlocks: 30, MovingStoredBytes: 31, ReferencesByRedundancy: []uint64{1, 2, 3, 4, 5, 6},
			},
			AppliedIndex: 3, AppliedTerm: 4, LastNode: 5, Mark: sampleVersion(), MarkDigest: []byte("mark"), LayoutVersion: 6,
			Suspects: []*record.Suspect{{Node: 1, Below: sampleVersion()}},
			Indexed:  &record.Settings{Redundancy: 2, Quorum: 1}, ReindexCursor: []byte("cursor"), Met: sampleVersion(),
			LastSweep: 30, Away: []uint32{1, 2}, AskedRedundancies: 32, BucketsCleared: sampleVersion(), MarkIndex: 34,
		}},
		{"row object", &record.Object{
			Version: sampleVersion(), Size: 1, ContentType: "text/plain", UserMetadata: []*pb.Meta{{Key: "k", Value: "v"}}, Digest: []byte("digest"),
			ModifiedUnixMs: 2, Inline: []byte("inline"), Blocks: sampleBlocks(), Upload: []byte("upload"), BlockCount: 2, Redundancy: 11,
		}},
		{"row bucket", &record.Bucket{TrashKeepMs: 1, Version: sampleVersion(), Redundancy: 3}},
		{"row trashed", &record.Trashed{
			Object: &record.Object{Version: sampleVersion(), Size: 1, Inline: []byte("i")}, Cause: pb.TrashCause_TRASH_CAUSE_OVERWRITTEN,
			Ended: sampleVersion(), DeletedUnixMs: 2, DueUnixMs: 3,
		}},
		{"row result of undelete", &record.Result{Body: &record.Result_Undelete{Undelete: &pb.UndeleteAnswer{
			Version: sampleVersion(), Undeleted: sampleVersion(), Replaced: true, ReplacedVersion: sampleVersion(),
		}}}},
		{"result of emptytrash", &record.Result{Body: &record.Result_EmptyTrash{EmptyTrash: &record.EmptyTrashResult{Applied: 1, Ignored: 2, Bytes: 3}}}},
		{"row upload", &record.Upload{Session: []byte("session"), Pages: 1, Size: 2, BlockCount: 3, Closed: true, Redundancy: 6, Bucket: "bucket"}},
		{"row page", &record.UploadPage{Blocks: sampleBlocks(), Offset: 1, FirstBlock: 2, Redundancy: 4}},
		{"row block", &record.Block{
			Refs: 1, Phase: record.Block_LIVE, Floor: sampleVersion(), Copies: []*record.Held{{Node: 1, Generation: 1, Counter: 300}},
			Drops: []*record.Held{{Node: 2, Generation: 1, Counter: 300}}, Pending: []uint32{3}, PlainSize: 4, StoredSize: 5, Moving: 9,
			Levels: []*record.Level{{Redundancy: 1, Refs: 2}},
		}},
		{"row session", &record.Session{Highest: 1, LowestUnacked: 2, RenewedUnixMs: 3, Uploads: 4, Done: 5, OldestUpload: sampleVersion(), Uses: 7, NoneUploading: true, Opened: sampleVersion()}},
		{"row work", &record.Work{Attempts: 1, Cause: 17, Detail: "detail"}},
		{"row node", &record.Node{
			Identity: []byte("identity"), Address: "a", Zone: "z", State: pb.NodeState_NODE_STATE_UP, Incarnation: 1, Start: []byte("start"),
			Disks:        []*record.Disk{{Disk: []byte("disk"), Acks: 1, CapacityBytes: 2, UsedBytes: 3}},
			InventoryDue: sampleVersion(), PastStarts: [][]byte{[]byte("past")},
			CleanCursor: []byte("cursor"), Cleaned: true, CriticalBlocks: 4, Weight: 20, Away: true, Copies: 22, CopiesStoredBytes: 23,
			OwedDeletes: 24, StateSinceUnixMs: 25, RegisteredZone: "registered",
		}},
		{"row member", sampleMember()},
		{"row job", &record.Job{Blocks: sampleBlocks(), Upload: []byte("upload"), BlockCount: 1, Cursor: 2, PagesEnd: 3, Redundancy: 6}},
		{"row layout", &record.Layout{
			LayoutVersion: 1, Width: 2, Table: []byte{0, 0, 0, 1}, Applied: sampleVersion(), AppliedUnixMs: 5, Reason: "reason", Retired: sampleVersion(),
			Changes: []*pb.NodeChange{{Node: 1, Kind: pb.NodeChange_ZONE, Weight: 3, Zone: "z"}}, Cause: 9, Node: 10,
			Own: []*record.OwnTable{{Redundancy: 1, Width: 2, Table: []byte{0, 0, 0, 1}}},
		}},
		{"row sweep", &record.Sweep{
			Cause: 1, Node: 2, LayoutVersion: 3, State: record.Sweep_SUPERSEDED, Cursor: []byte("cursor"), Walked: true, BlocksSeen: 7, BlocksMarked: 8,
			BytesMarked: 9, BlocksTotal: 10, Started: sampleVersion(), StartedUnixMs: 12, Ended: sampleVersion(), EndedUnixMs: 14,
		}},
		{"row result", &record.Result{
			Kind: 15, Version: sampleVersion(), Body: &record.Result_Commit{Commit: &pb.CommitAnswer{
				Version: sampleVersion(), Replaced: true, ReplacedVersion: sampleVersion(), Refused: []byte("refused"),
			}},
		}},
		{"row result of delete", &record.Result{Body: &record.Result_Delete{Delete: &pb.DeleteAnswer{Kinds: []uint32{0, 3}, Version: sampleVersion()}}}},
		{"row result of create", &record.Result{Body: &record.Result_CreateUpload{CreateUpload: &pb.UploadCreateAnswer{Upload: []byte("upload"), Version: sampleVersion()}}}},
	}
}

// sampleCommands has every command once, in an order in which most succeed.
func sampleCommands() []*record.Command {
	call := func(sequence uint64) *pb.Call {
		return &pb.Call{Session: id("session"), Opened: &pb.Version{Generation: 1, Counter: 3}, Sequence: sequence, LowestUnacked: 1}
	}
	claims := []*pb.Claim{{Node: 1, Incarnation: 1, Ack: 9, Generation: 1, Counter: 2}, {Block: 1, Node: 1, Incarnation: 1, Ack: 10, Generation: 1, Counter: 2}}
	return []*record.Command{
		{NowUnixMs: 1, Request: "request", Body: &record.Command_Bootstrap{Bootstrap: &record.Bootstrap{Cluster: id("cluster"), Settings: &record.Settings{Redundancy: 3, Quorum: 1, FeatureLevel: 1}}}},
		{Body: &record.Command_Register{Register: &pb.RegisterRequest{
			Identity: id("node"), Address: "a:1", Zone: "z", Start: id("start"), HighestSeen: &pb.Version{Generation: 1, Counter: 1},
			Disks: []*pb.DiskInfo{{Disk: id("disk"), Acks: 1, CapacityBytes: 2, UsedBytes: 3}},
		}}},
		openSession("session"),
		{NowUnixMs: 2, Body: &record.Command_Commit{Commit: &pb.CommitRequest{
			Call: call(1), Bucket: "bucket", Name: "name", Precondition: &pb.Precondition{Kind: pb.Precondition_IF_ABSENT}, ContentType: "text/plain",
			UserMetadata: []*pb.Meta{{Key: "k", Value: "v"}}, Size: 200, Digest: []byte(strings.Repeat("d", 32)), Blocks: blocksOf("A", "B"), Claims: claims,
		}}},
		{Body: &record.Command_CreateUpload{CreateUpload: &record.CreateUpload{Call: call(2), Upload: id("upload"), Bucket: "bucket"}}},
		{Body: &record.Command_AppendUpload{AppendUpload: &pb.UploadAppendRequest{Call: call(3), Upload: id("upload"), Blocks: blocksOf("B", "C"), Claims: claims}}},
		{Body: &record.Command_Delete{Delete: &pb.DeleteRequest{Call: call(4), Bucket: "bucket", Items: []*pb.DeleteItem{{Name: "name", Precondition: &pb.Precondition{Kind: pb.Precondition_IF_VERSION, Version: &pb.Version{Generation: 1, Counter: 4}}}}}}},
		{Body: &record.Command_AbortUpload{AbortUpload: &pb.UploadAbortRequest{Call: call(5), Upload: id("upload")}}},
		{Body: &record.Command_Unreference{Unreference: &record.Unreference{Steps: []*record.UnreferenceStep{{Job: &pb.Version{Generation: 1, Counter: 7}, Count: 1}}}}},
		{Body: &record.Command_Copied{Copied: &pb.ClaimsRequest{Blocks: blocksOf("A", "B"), Claims: claims}}},
		{Body: &record.Command_CloseSession{CloseSession: &record.CloseSession{Session: id("session"), Expire: true, IfHighest: 5, IfUses: 5}}},
		{Body: &record.Command_PutMetaMember{PutMetaMember: &record.PutMetaMember{Member: sampleMember()}}},
		{Body: &record.Command_RemoveMetaMember{RemoveMetaMember: &record.RemoveMetaMember{Id: "a"}}},
		{Body: &record.Command_PutSettings{PutSettings: &record.PutSettings{Settings: &record.Settings{Redundancy: 2, Quorum: 1, FeatureLevel: 2}, IfVersion: &pb.Version{Generation: 1, Counter: 1}}}},
		{Body: &record.Command_MarkDigest{MarkDigest: &record.MarkDigest{}}},
		{Body: &record.Command_CompareDigest{CompareDigest: &record.CompareDigest{Mark: &pb.Version{Generation: 9}, Digest: []byte("digest"), Index: 3}}},
	}
}

// sampleWork has every command of reclamation once, as they follow those before.
func sampleWork() []*record.Command {
	hash := func(name string) []byte { return blocksOf(name).Hashes }
	version := func(counter uint64) *pb.Version { return &pb.Version{Generation: 1, Counter: counter} }
	of := func(name string, v *pb.Version) *record.NodeBlock {
		return &record.NodeBlock{Hash: hash(name), Node: 1, Version: v}
	}
	kept := &pb.Ack{Hash: hash("A"), Node: 1, Incarnation: 1, Ack: 11, Version: version(18), PlainSize: 100, StoredSize: 60}
	return []*record.Command{
		{NowUnixMs: 3, Body: &record.Command_Drop{Drop: &record.Drop{Items: []*record.NodeBlock{of("B", nil)}}}},
		{Body: &record.Command_Lost{Lost: &record.Lost{Items: []*record.NodeBlock{of("B", version(2))}}}},
		{Body: &record.Command_Postpone{Postpone: &record.Postpone{Items: []*record.PostponeItem{
			{Class: 4, Hash: hash("A"), DueUnixMs: 9, Cause: 17, Detail: "detail"},
		}}}},
		{Body: &record.Command_RetryNow{RetryNow: &record.RetryNow{Class: 4, Hash: hash("A"), Limit: 1}}},
		{Body: &record.Command_Condemn{Condemn: &record.Condemn{Hashes: hash("A")}}},
		{Body: &record.Command_Deleted{Deleted: &record.Deleted{Items: []*record.DeletedItem{{Order: of("A", version(18)), Kept: kept}}}}},
		{Body: &record.Command_Reap{Reap: &record.Reap{Upto: version(18), Hashes: hash("A")}}},
		{Body: &record.Command_Reindex{Reindex: &record.Reindex{Cursor: hash("A"), Count: 1}}},
		{Body: &record.Command_StartGeneration{StartGeneration: &record.StartGeneration{Generation: 2}}},
		{Body: &record.Command_InventoryTaken{InventoryTaken: &record.InventoryTaken{Node: 1, Due: &pb.Version{Generation: 2, Counter: 1}}}},
		{Body: &record.Command_RemoveNode{RemoveNode: &record.RemoveNode{Node: 1, AcceptLoss: true}}},
		{Body: &record.Command_CleanNode{CleanNode: &record.CleanNode{Node: 1, Count: 1}}},
	}
}

// sampleTrash has every command of buckets and trash, as they follow those before.
func sampleTrash() []*record.Command {
	version := func(counter uint64) *pb.Version { return &pb.Version{Generation: 2, Counter: counter} }
	gone := &record.Command{NowUnixMs: 4, Body: &record.Command_Delete{Delete: &pb.DeleteRequest{Bucket: "bucket", Items: []*pb.DeleteItem{{Name: "kept"}}}}}
	return []*record.Command{
		{Body: &record.Command_PutBucket{PutBucket: &record.PutBucket{Bucket: "bucket", TrashKeepMs: 1000, IfVersion: &pb.Version{}, Redundancy: 1}}},
		commitCommand(&pb.CommitRequest{Bucket: "bucket", Name: "kept", Size: 1, Inline: []byte("k")}),
		gone,
		{Body: &record.Command_Undelete{Undelete: &pb.UndeleteRequest{Bucket: "bucket", Name: "kept", Version: version(6), Precondition: &pb.Precondition{Kind: pb.Precondition_IF_ABSENT}}}},
		gone,
		{Body: &record.Command_EmptyTrash{EmptyTrash: &record.EmptyTrash{Items: []*record.TrashItem{{Bucket: "bucket", Name: "kept", Version: version(8), IfDueUnixMs: 1004}}}}},
	}
}

// samplePlacement has every command of nodes, layout and sweeps once, as they
// follow those before: of a cluster of its own, whose table nobody has to plan.
func samplePlacement() []*record.Command {
	changes := []*pb.NodeChange{{Node: 1, Kind: pb.NodeChange_WEIGHT, Weight: 7}, {Node: 1, Kind: pb.NodeChange_ZONE, Zone: "z"}}
	return []*record.Command{
		{NowUnixMs: 4, Body: &record.Command_ChangeLayout{ChangeLayout: &record.ChangeLayout{
			IfLayoutVersion: 5, Changes: changes, Algorithm: 1, TableDigest: []byte(strings.Repeat("d", 32)), Reason: "reason",
		}}},
		{NowUnixMs: 5, Body: &record.Command_SetNodeState{SetNodeState: &record.SetNodeState{
			Node: 1, State: pb.NodeState_NODE_STATE_MAINTENANCE, IfState: pb.NodeState_NODE_STATE_UP, IfIncarnation: 1, Away: true, AcceptRisk: true,
		}}},
		{Body: &record.Command_SweepStep{SweepStep: &record.SweepStep{Sweep: 1, Cursor: blocksOf("A").Hashes, Count: 2}}},
		{Body: &record.Command_MoveSettled{MoveSettled: &record.MoveSettled{Hashes: blocksOf("A", "B").Hashes}}},
		{Body: &record.Command_CancelSweep{CancelSweep: &record.CancelSweep{Sweep: 1}}},
	}
}

// allSamples has every command.
func allSamples() []*record.Command {
	return slices.Concat(sampleCommands(), sampleWork(), sampleTrash(), sampleBulk(), samplePlacement(), []*record.Command{
		{Body: &record.Command_StartGeneration{StartGeneration: &record.StartGeneration{Generation: 3, PausedClasses: state.HeldByRestore}}},
		{Body: &record.Command_EmptyTrash{EmptyTrash: &record.EmptyTrash{
			Items: []*record.TrashItem{{Bucket: "bucket", Name: "kept", Version: &pb.Version{Generation: 2, Counter: 8}, IfDueUnixMs: 1004}}, IfGeneration: 2,
		}}},
	})
}

// TestGolden pins the bytes of every row and command, the number of every enum,
// and the digest that the sample commands lead to: a build that changes any of
// them no longer agrees with the replicas before it.
func TestGolden(t *testing.T) {
	var out strings.Builder
	for _, s := range append(sampleRows(), sampleBulkRows()...) {
		fmt.Fprintf(&out, "%s %x\n", s.name, marshal(t, s.message))
	}
	m := newMachine(t)
	for _, c := range allSamples() {
		kind := strings.TrimPrefix(fmt.Sprintf("%T", c.Body), "*record.Command_")
		fmt.Fprintf(&out, "command %s %x\n", kind, marshal(t, &record.Entry{Commands: []*record.Command{c}}))
		result := m.one(c)
		fmt.Fprintf(&out, "  answered %d at %s, digest %s\n", result.Kind, v(result.Version), hex.EncodeToString(digestOf(t, m.table)))
	}
	for i := range int32(len(record.Block_Phase_name)) {
		fmt.Fprintf(&out, "phase %d %s\n", i, record.Block_Phase(i))
	}
	for class, name := range []string{"redundancy", "move", "delete", "condemn", "reap", "scrub", "names"} {
		numbers := []uint32{state.ClassRedundancy, state.ClassMove, state.ClassDelete, state.ClassCondemn, state.ClassReap, state.ClassScrub, state.PausedNames}
		fmt.Fprintf(&out, "class %d %s\n", numbers[class], name)
	}
	for i := range int32(len(pb.NodeState_name)) {
		fmt.Fprintf(&out, "node state %d %s\n", i, pb.NodeState(i))
	}
	for i := range int32(len(pb.TrashCause_name)) {
		fmt.Fprintf(&out, "trash cause %d %s\n", i, pb.TrashCause(i))
	}
	for i := range int32(len(pb.NodeChange_Kind_name)) {
		fmt.Fprintf(&out, "node change %d %s\n", i, pb.NodeChange_Kind(i))
	}
	for i := range int32(len(record.Sweep_State_name)) {
		fmt.Fprintf(&out, "sweep state %d %s\n", i, record.Sweep_State(i))
	}
	fmt.Fprintf(&out, "sweep causes %d %d %d %d, layout causes %d %d %d %d\n", state.SweepLayout, state.SweepAway, state.SweepBack, state.SweepRebalance,
		state.LayoutAsked, state.LayoutJoined, state.LayoutRemoved, state.LayoutRedundancy)
	for i := range int32(len(pb.Precondition_Kind_name)) {
		fmt.Fprintf(&out, "precondition %d %s\n", i, pb.Precondition_Kind(i))
	}
	for i := range int32(len(pb.AuditKind_name)) {
		fmt.Fprintf(&out, "audit kind %d %s\n", i, pb.AuditKind(i))
	}
	for i := range int32(len(record.PrefixJob_State_name)) {
		fmt.Fprintf(&out, "prefix job state %d %s\n", i, record.PrefixJob_State(i))
	}
	compareGolden(t, "testdata/golden/bytes", out.String())
}

func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("ASHLAR_REWRITE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Fatalf("%s differs; got\n%s", file, got)
	}
}

// TestSampleCommandsAreAll: a new command needs a sample.
func TestSampleCommandsAreAll(t *testing.T) {
	oneof := (&record.Command{}).ProtoReflect().Descriptor().Oneofs().ByName("body")
	kinds := map[string]bool{}
	for _, c := range allSamples() {
		kinds[fmt.Sprintf("%T", c.Body)] = true
	}
	if len(kinds) != oneof.Fields().Len() {
		t.Fatalf("samples of %d kinds for %d commands", len(kinds), oneof.Fields().Len())
	}
	for _, c := range allSamples() {
		if err := protocol.AsError(validate(c)); err != nil {
			t.Errorf("%T: %v", c.Body, err)
		}
	}
}
