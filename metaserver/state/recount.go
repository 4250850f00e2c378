package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Recount counts every row anew, one at a time: what the counters kept by apply
// must equal.
func Recount(r Reader) (*pb.Counters, error) {
	cluster, err := ClusterRow(r)
	if err != nil {
		return nil, err
	}
	c := newCounters()
	counts := []func() error{
		func() error {
			return scanRows(r, []byte{tableBlocks}, func(key []byte, b *record.Block) bool {
				countBlock(c, tallyOf(b), 1)
				if thresholdsFor(cluster, key[1:]).of(b).lacks(b) {
					c.UnderReplicatedBlocks++
				}
				return true
			})
		},
		func() error {
			return scanRows(r, []byte{tableObjects}, func(_ []byte, o *record.Object) bool { countObject(c, o, 1); return true })
		},
		func() error {
			return scanRows(r, []byte{tableTrash}, func(_ []byte, t *record.Trashed) bool { countTrashed(c, t, 1); return true })
		},
		func() error {
			return scanRows(r, []byte{tableJobs}, func(_ []byte, j *record.Job) bool { countJob(c, j.BlockCount-j.Cursor, 1); return true })
		},
		func() error {
			return scanRows(r, []byte{tableUploads}, func(_ []byte, u *record.Upload) bool { countUpload(c, u); return true })
		},
		func() error {
			return scanRows(r, []byte{tablePrefixJobs}, func(_ []byte, j *record.PrefixJob) bool { countPrefixJob(c, j); return true })
		},
		func() error {
			return r.Scan([]byte{tableAudit}, keysAbove([]byte{tableAudit}), func(key, value []byte) bool { countAudit(c, key, value, 1); return true })
		},
		func() error {
			return r.Scan([]byte{tableSessions}, keysAbove([]byte{tableSessions}), func(_, _ []byte) bool { c.Sessions++; return true })
		},
	}
	for _, count := range counts {
		if err := count(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func countPrefixJob(c *pb.Counters, j *record.PrefixJob) {
	if j.State == record.PrefixJob_RUNNING {
		c.PrefixJobs++
	}
}

func countUpload(c *pb.Counters, u *record.Upload) {
	if !u.Closed {
		c.Uploads++
	}
}
