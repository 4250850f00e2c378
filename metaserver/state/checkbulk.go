package state

import (
	"bytes"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// checkPrefixJobs: a job stands at the version that began it; up to its cursor,
// or everywhere once it is done, no object is left that it was to end.
func checkPrefixJobs(w *world) error {
	ended := 0
	for _, j := range w.prefixJobs {
		version, err := protocol.VersionFromBytes(j.key)
		if err != nil || version != fromPB(j.row.Upto) || versionOf(w.cluster).Less(version) {
			return broken("prefixes", "the job at %x began at %s", j.key, fromPB(j.row.Upto))
		}
		running := j.row.State == record.PrefixJob_RUNNING
		if !running {
			ended++
		}
		if j.row.State > record.PrefixJob_CANCELED || running != (j.row.Ended == nil) || !strings.HasPrefix(j.row.Cursor, j.row.Prefix) && j.row.Cursor != "" {
			return broken("prefixes", "job %s is in state %d at %s and ended at %s", version, j.row.State, protocol.Quote(j.row.Cursor), fromPB(j.row.Ended))
		}
		if left := leftBehind(w, j.row); left != "" {
			return broken("prefixes", "job %s has come to %s and left %s", version, protocol.Quote(j.row.Cursor), protocol.Quote(left))
		}
	}
	if ended > protocol.MaxEndedPrefixJobs {
		return broken("prefixes", "%d jobs that ended are kept", ended)
	}
	return nil
}

// leftBehind names an object that the job has passed and should have ended.
func leftBehind(w *world, j *record.PrefixJob) string {
	for _, o := range below(w.objects, keyObject(j.Bucket, j.Prefix)[1:]) {
		_, name := splitObjectKey(append([]byte{tableObjects}, o.key...))
		passed := name <= j.Cursor || j.State == record.PrefixJob_DONE
		if passed && !fromPB(j.Upto).Less(fromPB(o.row.Version)) {
			return name
		}
	}
	return ""
}

// checkAuditRows: rows are of known kinds and no version is above the present
// one; the cluster knows the oldest.
func checkAuditRows(w *world) error {
	var first []byte
	if len(w.audit) > 0 {
		first = append([]byte{tableAudit}, w.audit[0].key...)
	}
	if !bytes.Equal(first, w.cluster.AuditFirst) {
		return broken("audit", "the oldest row is %x and the cluster's %x", first, w.cluster.AuditFirst)
	}
	for _, row := range w.audit {
		version, _, err := splitAuditKey(row.key)
		_, known := pb.AuditKind_name[int32(row.row.Kind)]
		if err != nil || versionOf(w.cluster).Less(version) || !known || row.row.Kind == 0 || row.row.Version != nil {
			return broken("audit", "the row at %x has kind %d", row.key, row.row.Kind)
		}
		if len(row.row.Hashes)%protocol.HashSize != 0 {
			return broken("audit", "the row at %x has %d bytes of hashes", row.key, len(row.row.Hashes))
		}
	}
	return nil
}
