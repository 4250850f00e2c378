package state

import (
	"bytes"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func checkList(q *pb.ListRequest) error {
	if q.Bucket != "" {
		if err := protocol.CheckBucket(q.Bucket); err != nil {
			return err
		}
	}
	for _, s := range []string{q.Prefix, q.Delimiter, q.After} {
		if err := protocol.CheckPrefix(s); err != nil {
			return err
		}
	}
	return nil
}

// List answers with one page of objects and common prefixes, in name order. A
// name of the prefix that goes on to a delimiter is rolled up into the part of it
// that ends there. `after` names where to go on: behind the name, or, if it is a
// common prefix, behind all of it. Without a bucket it lists the buckets as
// prefixes. A limit of zero or above protocol.MaxListPage is that page.
func List(r Reader, q *pb.ListRequest) (*pb.ListAnswer, error) {
	if err := checkList(q); err != nil {
		return nil, err
	}
	cluster, err := ClusterRow(r)
	if err != nil {
		return nil, err
	}
	l := &lister{r: r, q: q, limit: int(q.Limit), answer: &pb.ListAnswer{Version: toPB(versionOf(cluster))}}
	if q.Limit == 0 || q.Limit > protocol.MaxListPage {
		l.limit = protocol.MaxListPage
	}
	if q.Bucket == "" {
		err = l.buckets()
	} else {
		err = l.objects()
	}
	return l.answer, err
}

// lister gathers one page.
type lister struct {
	r      Reader
	q      *pb.ListRequest
	limit  int
	answer *pb.ListAnswer
	// last is the name or prefix gathered last.
	last string
}

func (l *lister) full() bool { return len(l.answer.Objects)+len(l.answer.Prefixes) >= l.limit }

// buckets hops from bucket to bucket: one seek each.
func (l *lister) buckets() error {
	lower := keyObject(l.q.Prefix, "")[:1+len(l.q.Prefix)]
	upper := keysAbove(lower)
	if l.q.After >= l.q.Prefix && l.q.After != "" {
		lower = keysAbove(keyObject(l.q.After, ""))
	}
	for bytes.Compare(lower, upper) < 0 {
		bucket := ""
		err := l.r.Scan(lower, upper, func(key, _ []byte) bool {
			bucket, _ = splitObjectKey(key)
			return false
		})
		if err != nil || bucket == "" {
			return err
		}
		if l.full() {
			l.answer.Next = l.last
			return nil
		}
		l.answer.Prefixes = append(l.answer.Prefixes, bucket)
		l.last = bucket
		lower = keysAbove(keyObject(bucket, ""))
	}
	return nil
}

// objects scans the names of the prefix and hops over what is rolled up.
func (l *lister) objects() error {
	lower, upper := l.bounds()
	for bytes.Compare(lower, upper) < 0 {
		var rolled string
		var failed error
		err := l.r.Scan(lower, upper, func(key, value []byte) bool {
			_, name := splitObjectKey(key)
			rolled = l.commonPrefix(name)
			if l.full() {
				l.answer.Next, rolled = l.last, ""
				return false
			}
			if rolled != "" {
				return false
			}
			failed = l.add(name, key, value)
			return failed == nil
		})
		if err == nil {
			err = failed
		}
		if err != nil || rolled == "" {
			return err
		}
		l.answer.Prefixes = append(l.answer.Prefixes, rolled)
		l.last = rolled
		lower = keysAbove(keyObject(l.q.Bucket, rolled))
	}
	return nil
}

// bounds is where the scan begins and ends.
func (l *lister) bounds() (lower, upper []byte) {
	lower = keyObject(l.q.Bucket, l.q.Prefix)
	upper = keysAbove(lower)
	if l.q.After < l.q.Prefix || l.q.After == "" {
		return lower, upper
	}
	if !strings.HasPrefix(l.q.After, l.q.Prefix) {
		return upper, upper
	}
	if l.commonPrefix(l.q.After) == l.q.After {
		return keysAbove(keyObject(l.q.Bucket, l.q.After)), upper
	}
	return append(keyObject(l.q.Bucket, l.q.After), 0), upper
}

// commonPrefix returns the part of name that it is rolled up into, or "".
func (l *lister) commonPrefix(name string) string {
	if l.q.Delimiter == "" || !strings.HasPrefix(name, l.q.Prefix) {
		return ""
	}
	rest := name[len(l.q.Prefix):]
	at := strings.Index(rest, l.q.Delimiter)
	if at < 0 {
		return ""
	}
	return name[:len(l.q.Prefix)+at+len(l.q.Delimiter)]
}

func (l *lister) add(name string, key, value []byte) error {
	o := &record.Object{}
	if err := decode(key, value, o); err != nil {
		return err
	}
	l.answer.Objects = append(l.answer.Objects, objectInfo(l.q.Bucket, name, o))
	l.last = name
	return nil
}
