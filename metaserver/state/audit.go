package state

import (
	"encoding/binary"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Leader is who asked for what the leader does of itself.
const Leader = "leader"

// AuditTrim bounds the rows of the audit that one command lets go, so that a
// lowered limit is reached by and by. While the audit has too many bytes it is at
// least as many bytes as the command has added, however many rows that takes.
const AuditTrim = 64

// asked is who a command came from.
type asked struct {
	request string
	session []byte
}

// audited tells where the entry's last row of the audit stands.
type audited struct {
	version  protocol.Version
	sequence uint32
}

// audit keeps what a command took away, at the version that the command has
// taken, and lets the oldest rows go that are too many. It is called once all
// else is done, so that a row is there exactly if its effects are.
func (a *applier) audit(row *pb.AuditRow) {
	row.AtUnixMs, row.Request, row.Session = a.nowUnixMs, a.asked.request, a.asked.session
	at := audited{version: a.version()}
	if at.version == a.audited.version {
		at.sequence = a.audited.sequence + 1
	}
	a.audited = at
	key := keyAudit(at.version, at.sequence)
	value, err := row.MarshalVT()
	if err != nil {
		a.fail(err)
		return
	}
	a.put(key, value)
	countAudit(a.cluster.Counters, key, value, 1)
	if len(a.cluster.AuditFirst) == 0 {
		a.cluster.AuditFirst = key
	}
	a.trimAudit(len(key) + len(value))
}

// trimAudit lets the oldest rows go while there are more than the settings say,
// or more bytes than protocol.MaxAuditBytes, as far as the entry has room; added is
// what has just come. It begins at the oldest row that is left: what stood before is gone, but a table
// may still have to pass over it.
func (a *applier) trimAudit(added int) {
	c, keep := a.cluster.Counters, uint64(AuditKeep(a.cluster.Settings))
	over := func() bool { return c.AuditRows > keep || c.AuditBytes > protocol.MaxAuditBytes }
	freed := 0
	if !over() {
		return
	}
	var gone [][]byte
	a.fail(a.Scan(a.cluster.AuditFirst, keysAbove([]byte{tableAudit}), func(key, value []byte) bool {
		enough := len(gone) >= AuditTrim && (freed >= added || c.AuditBytes <= protocol.MaxAuditBytes)
		if !over() || enough || !a.room(len(gone)+1) {
			a.cluster.AuditFirst = append([]byte(nil), key...)
			return false
		}
		countAudit(c, key, value, ^uint64(0))
		freed += len(key) + len(value)
		gone = append(gone, append([]byte(nil), key...))
		return true
	}))
	for _, key := range gone {
		a.delete(key)
	}
}

// AuditKeep is how many rows of the audit the settings keep.
func AuditKeep(s *record.Settings) uint32 {
	if s.GetAuditKeepRows() == 0 {
		return protocol.DefaultAuditRows
	}
	return s.AuditKeepRows
}

// countAudit adds sign times a row; ^0 is minus one.
func countAudit(c *pb.Counters, key, value []byte, sign uint64) {
	c.AuditRows += sign
	c.AuditBytes += sign * uint64(len(key)+len(value))
}

// requestOf is a request id as the audit keeps it: a log may hold anything.
func requestOf(id string) string {
	return strings.ToValidUTF8(id[:min(len(id), protocol.MaxRequestID)], "?")
}

// auditEffect keeps a command of reclamation that did something to these packed
// hashes, one node each or none; its version is taken.
func (a *applier) auditEffect(kind pb.AuditKind, hashes []byte, nodes []uint32) {
	a.audit(&pb.AuditRow{Kind: kind, Hashes: hashes, Nodes: nodes})
}

// auditOverwrite keeps that an object was replaced by another of its name.
func (a *applier) auditOverwrite(bucket, name string, old, by *pb.Version) {
	a.audit(&pb.AuditRow{Kind: pb.AuditKind_AUDIT_KIND_OVERWRITE, Bucket: bucket, Objects: []*pb.AuditObject{
		{Name: name, Version: old, Ended: by},
	}})
}

// keyAudit begins the key of the rows of one version.
func keyAudit(v protocol.Version, sequence uint32) []byte {
	key := v.AppendBinary(append(make([]byte, 0, 1+protocol.VersionSize+4), tableAudit))
	return binary.BigEndian.AppendUint32(key, sequence)
}

// splitAuditKey undoes keyAudit, the table's letter cut off.
func splitAuditKey(id []byte) (v protocol.Version, sequence uint32, err error) {
	if len(id) != protocol.VersionSize+4 {
		return v, 0, protocol.Errorf(protocol.Corrupt, "the key %x of the audit is damaged", id)
	}
	v, err = protocol.VersionFromBytes(id[:protocol.VersionSize])
	return v, binary.BigEndian.Uint32(id[protocol.VersionSize:]), err
}
