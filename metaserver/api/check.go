package api

import (
	"net"
	"strconv"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// The checks of reads and reports. Commands are checked by state.Validate, which
// apply asks again; checkInline and checkDialable add what need not be asked on
// every replica.

func invalid(format string, args ...any) error {
	return protocol.Errorf(protocol.InvalidArgument, format, args...)
}

// checkInline verifies inline bytes against the digest that they come with, so
// that metadata never holds an object that no reader would accept.
func checkInline(q *pb.CommitRequest) error {
	if len(q.GetInline()) == 0 || len(q.GetInline()) > protocol.MaxInlineSize || q.Blocks != nil || len(q.GetDigest()) != protocol.HashSize {
		return nil // nothing to verify, or refused anyway
	}
	return protocol.Hash(q.GetDigest()).Verify(q.GetInline())
}

// checkHash accepts 32 bytes that are not all zero.
func checkHash(b []byte) error {
	h, err := protocol.HashFromBytes(b)
	if err != nil {
		return err
	}
	if h.IsZero() {
		return invalid("the zero hash names nothing")
	}
	return nil
}

func checkLevel(l pb.Level) error {
	switch l {
	case pb.Level_LEVEL_LINEARIZABLE, pb.Level_LEVEL_SESSION, pb.Level_LEVEL_STALE:
		return nil
	}
	return invalid("level %d is unknown", l)
}

func checkLookup(q *pb.LookupRequest) error {
	if err := protocol.CheckBucket(q.GetBucket()); err != nil {
		return err
	}
	if err := protocol.CheckName(q.GetName()); err != nil {
		return err
	}
	if q.GetOffset()+q.GetLength() < q.GetOffset() {
		return protocol.Errorf(protocol.RangeInvalid, "offset %d and length %d overflow", q.GetOffset(), q.GetLength())
	}
	return checkLevel(q.GetLevel())
}

func checkList(q *pb.ListRequest) error {
	if q.GetBucket() != "" {
		if err := protocol.CheckBucket(q.GetBucket()); err != nil {
			return err
		}
	}
	for _, s := range []string{q.GetPrefix(), q.GetDelimiter(), q.GetAfter()} {
		if err := protocol.CheckPrefix(s); err != nil {
			return err
		}
	}
	if q.GetLimit() > protocol.MaxListPage {
		return protocol.Errorf(protocol.TooLarge, "a page has at most %d names, not %d", protocol.MaxListPage, q.GetLimit())
	}
	return checkLevel(q.GetLevel())
}

func checkPrepare(q *pb.PrepareRequest) error {
	if q.GetBucket() != "" {
		if err := protocol.CheckBucket(q.GetBucket()); err != nil {
			return err
		}
	}
	n := len(q.GetHashes())
	if n%protocol.HashSize != 0 {
		return invalid("packed hashes have a multiple of %d bytes, not %d", protocol.HashSize, n)
	}
	if n > protocol.MaxTouchBatch*protocol.HashSize {
		return protocol.Errorf(protocol.TooLarge, "at most %d hashes at once, not %d", protocol.MaxTouchBatch, n/protocol.HashSize)
	}
	return nil
}

func checkBlockInfo(q *pb.BlockInfoRequest) error {
	if err := checkHash(q.GetHash()); err != nil {
		return err
	}
	return checkLevel(q.GetLevel())
}

func checkReport(q *pb.ReportRequest) error {
	if err := checkHash(q.GetHash()); err != nil {
		return err
	}
	if q.GetNode() == 0 {
		return invalid("a report names a node")
	}
	cause := protocol.Kind(q.GetCause())
	if q.GetCause() == 0 || uint32(cause) != q.GetCause() || protocol.ParseKind(cause.String()) != cause {
		return invalid("cause %d is no kind", q.GetCause())
	}
	return nil
}

// checkDialable accepts host:port with a port above 0: what clients will dial.
func checkDialable(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return invalid("an address is host:port, not %s", protocol.Quote(addr))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return invalid("an address has a port from 1 to 65535, not %s", protocol.Quote(port))
	}
	return nil
}
