package report

import (
	"encoding/hex"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Audit is a line of `ashlar audit -o json`.
type Audit struct {
	Version string `json:"version"`
	// Kind is one of AuditKinds.
	Kind     string `json:"kind"`
	AtUnixMs int64  `json:"at_unix_ms"`
	// Request is the id of the request that asked, "leader" for the leader's own.
	Request string        `json:"request"`
	Session string        `json:"session,omitempty"`
	Bucket  string        `json:"bucket,omitempty"`
	Prefix  string        `json:"prefix,omitempty"`
	Objects []AuditObject `json:"objects,omitempty"`
	Hashes  []string      `json:"hashes,omitempty"`
	// Nodes are of the hashes, one each, or the node that was removed.
	Nodes []uint32 `json:"nodes,omitempty"`
	// Causes are the versions that this follows from.
	Causes []string `json:"causes,omitempty"`
	Upload string   `json:"upload,omitempty"`
	// AcceptLoss and CriticalBlocks are of a node that was removed: whether the loss
	// was accepted, and how many blocks had too few copies without it.
	AcceptLoss     bool   `json:"accept_loss,omitempty"`
	CriticalBlocks uint64 `json:"critical_blocks,omitempty"`
	Upto           string `json:"upto,omitempty"`
}

// AuditObject is an object that ended, at the version Ended.
type AuditObject struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Ended   string `json:"ended"`
}

// AuditKind is the word for a kind.
func AuditKind(k pb.AuditKind) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(k.String(), "AUDIT_KIND_")), "_", "-")
}

// AuditKinds are all words for kinds, by number.
func AuditKinds() (words []string) {
	for n := range int32(len(pb.AuditKind_name)) {
		if n > 0 {
			words = append(words, AuditKind(pb.AuditKind(n)))
		}
	}
	return words
}

// ParseAuditKind reads a kind's word; InvalidArgument for any other.
func ParseAuditKind(word string) (pb.AuditKind, error) {
	for i, w := range AuditKinds() {
		if w == word {
			return pb.AuditKind(i + 1), nil
		}
	}
	return 0, protocol.Errorf(protocol.InvalidArgument, "no kind is called %s; there are %s", protocol.Quote(word), strings.Join(AuditKinds(), ", "))
}

// AuditOf turns the wire's form into ours.
func AuditOf(r *pb.AuditRow) Audit {
	out := Audit{
		Version: version(r.GetVersion()), Kind: AuditKind(r.GetKind()), AtUnixMs: r.GetAtUnixMs(), Request: r.GetRequest(),
		Session: hex.EncodeToString(r.GetSession()), Bucket: r.GetBucket(), Prefix: r.GetPrefix(), Nodes: r.GetNodes(),
		Upload: hex.EncodeToString(r.GetUpload()), AcceptLoss: r.GetAcceptLoss(), CriticalBlocks: r.GetCriticalBlocks(),
	}
	for _, o := range r.GetObjects() {
		out.Objects = append(out.Objects, AuditObject{Name: o.GetName(), Version: version(o.GetVersion()), Ended: version(o.GetEnded())})
	}
	for h := r.GetHashes(); len(h) >= protocol.HashSize; h = h[protocol.HashSize:] {
		out.Hashes = append(out.Hashes, hex.EncodeToString(h[:protocol.HashSize]))
	}
	for _, c := range r.GetCauses() {
		out.Causes = append(out.Causes, version(c))
	}
	if r.GetUpto() != nil {
		out.Upto = version(r.GetUpto())
	}
	return out
}
