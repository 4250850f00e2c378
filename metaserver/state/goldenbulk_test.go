package state_test

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// sampleBulk has the commands of deletes of prefixes, as they follow the others.
func sampleBulk() []*record.Command {
	job := protocol.Version{Generation: 2, Counter: 8}
	return []*record.Command{
		{NowUnixMs: 4, Body: openSession("bulk").Body},
		{Body: &record.Command_Commit{Commit: &pb.CommitRequest{Bucket: "bucket", Name: "a/1", Inline: []byte("x"), Size: 1}}},
		{Body: &record.Command_Commit{Commit: &pb.CommitRequest{Bucket: "bucket", Name: "a/2", Inline: []byte("x"), Size: 1}}},
		{NowUnixMs: 5, Request: "request", Body: &record.Command_DeletePrefix{DeletePrefix: &pb.DeletePrefixRequest{
			Call: call("bulk", protocol.Version{Generation: 2, Counter: 11}, 1, 1), Bucket: "bucket", Prefix: "a/",
		}}},
		prefixStep(job, "", 1),
		prefixStep(job, "a/1", 1000),
		{Body: &record.Command_CancelPrefixJob{CancelPrefixJob: &record.CancelPrefixJob{Job: versionPB(job)}}},
	}
}

func sampleBulkRows() []sample {
	return []sample{
		{"row prefix job", &record.PrefixJob{
			Bucket: "bucket", Prefix: "a/", Upto: sampleVersion(), Cursor: "a/1", State: record.PrefixJob_CANCELED, Objects: 1, Bytes: 2,
			References: 3, Kept: 4, Request: "request", StartedUnixMs: 5, EndedUnixMs: 6, Ended: sampleVersion(),
		}},
		{"row audit", &pb.AuditRow{
			Kind: pb.AuditKind_AUDIT_KIND_DROP, AtUnixMs: 1, Request: "request", Session: []byte("session"), Bucket: "bucket", Prefix: "a/",
			Objects: []*pb.AuditObject{{Name: "a/1", Version: sampleVersion(), Ended: sampleVersion()}}, Hashes: []byte("hashes"), Nodes: []uint32{1, 300},
			Causes: []*pb.Version{sampleVersion()}, Upload: []byte("upload"), AcceptLoss: true, CriticalBlocks: 2, Upto: sampleVersion(),
		}},
		{"row cluster of the audit", &record.Cluster{
			Settings: &record.Settings{AuditKeepRows: 300}, Counters: &pb.Counters{PrefixJobs: 1, AuditRows: 2, AuditBytes: 3}, AuditFirst: []byte("first"),
		}},
		{"row result of a prefix step", &record.Result{Body: &record.Result_PrefixStep{PrefixStep: &record.PrefixStepResult{Stale: true, Ended: 1, Kept: 2, Done: true}}}},
	}
}
