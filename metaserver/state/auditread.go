package state

import (
	"bytes"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Limits of one page of the audit: the rows looked at, and the bytes after which
// it ends.
const (
	maxAuditScan  = 20_000
	maxAuditBytes = 1 << 20
)

func checkAudit(q *pb.AuditRequest) error {
	if len(q.Hash) != 0 && len(q.Hash) != protocol.HashSize {
		return protocol.Errorf(protocol.InvalidArgument, "a hash has %d bytes, not %d", protocol.HashSize, len(q.Hash))
	}
	if q.Bucket == "" {
		if q.Name != "" {
			return protocol.Errorf(protocol.InvalidArgument, "an object is asked for by its bucket and name")
		}
		return nil
	}
	if err := protocol.CheckBucket(q.Bucket); err != nil || q.Name == "" {
		return err
	}
	return protocol.CheckName(q.Name)
}

// Audit answers with one page of what was taken away, oldest first: rows after
// the one named that speak of the hash, bucket, name and kinds, each as far as it
// is given. More says that the page ended before the rows did; next is where. A
// limit of zero or above protocol.MaxAuditPage is that page.
func Audit(r Reader, q *pb.AuditRequest) (*pb.AuditAnswer, error) {
	if err := checkAudit(q); err != nil {
		return nil, err
	}
	cluster, err := ClusterRow(r)
	if err != nil {
		return nil, err
	}
	ans := &pb.AuditAnswer{Version: toPB(versionOf(cluster))}
	lower := cluster.AuditFirst
	if len(lower) == 0 {
		return ans, nil
	}
	oldest, _, err := splitAuditKey(lower[1:])
	if err != nil {
		return nil, err
	}
	ans.Oldest = toPB(oldest)
	if q.After != nil {
		if after := append(keyAudit(fromPB(q.After), q.AfterSequence), 0); bytes.Compare(after, lower) > 0 {
			lower = after
		}
	}
	limit := int(q.Limit)
	if q.Limit == 0 || q.Limit > protocol.MaxAuditPage {
		limit = protocol.MaxAuditPage
	}
	return ans, scanAudit(r, lower, q, ans, limit)
}

func scanAudit(r Reader, lower []byte, q *pb.AuditRequest, ans *pb.AuditAnswer, limit int) error {
	scanned, size := 0, 0
	var failed error
	err := r.Scan(lower, keysAbove([]byte{tableAudit}), func(key, value []byte) bool {
		if scanned == maxAuditScan || len(ans.Rows) == limit || size >= maxAuditBytes {
			ans.More = true
			return false
		}
		scanned++
		row := &pb.AuditRow{}
		if failed = decode(key, value, row); failed != nil {
			return false
		}
		var at protocol.Version
		if at, row.Sequence, failed = splitAuditKey(key[1:]); failed != nil {
			return false
		}
		row.Version = toPB(at)
		ans.Next, ans.NextSequence = row.Version, row.Sequence
		if auditMatches(q, row) {
			ans.Rows = append(ans.Rows, row)
			size += len(value)
		}
		return true
	})
	if err == nil {
		err = failed
	}
	return err
}

func auditMatches(q *pb.AuditRequest, row *pb.AuditRow) bool {
	if len(q.Kinds) > 0 && !slices.Contains(q.Kinds, row.Kind) || q.Bucket != "" && q.Bucket != row.Bucket {
		return false
	}
	if q.Name != "" && !slices.ContainsFunc(row.Objects, func(o *pb.AuditObject) bool { return o.Name == q.Name }) {
		return false
	}
	return len(q.Hash) == 0 || containsHash(row.Hashes, q.Hash)
}

func containsHash(packed, hash []byte) bool {
	for i := range len(packed) / protocol.HashSize {
		if bytes.Equal(hashAt(packed, i), hash) {
			return true
		}
	}
	return false
}
