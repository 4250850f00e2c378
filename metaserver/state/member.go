package state

import (
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// checkMetaMember bounds what a metaserver says of itself.
func checkMetaMember(m *record.MetaMember) error {
	if id := m.GetId(); id == "" || len(id) > protocol.MaxAddressLength {
		return protocol.Errorf(protocol.InvalidArgument, "a metaserver's id has 1 to %d bytes", protocol.MaxAddressLength)
	}
	for _, address := range []string{m.ClientAddress, m.RaftAddress, m.AdminAddress} {
		if err := checkAddress(address); err != nil {
			return err
		}
	}
	return nil
}

// checkAddress accepts printable ASCII without blanks.
func checkAddress(s string) error {
	if s == "" || len(s) > protocol.MaxAddressLength {
		return protocol.Errorf(protocol.InvalidArgument, "an address has 1 to %d bytes, not %d", protocol.MaxAddressLength, len(s))
	}
	for i := range len(s) {
		if s[i] <= 0x20 || s[i] > 0x7e {
			return protocol.Errorf(protocol.InvalidArgument, "an address is printable ASCII without blanks; %s is not", protocol.Quote(s))
		}
	}
	return nil
}

// putMetaMember keeps where a metaserver can be reached. Who votes is Raft's own
// configuration, not this table.
func (a *applier) putMetaMember(q *record.PutMetaMember) *record.Result {
	member := &record.MetaMember{
		Id: q.Member.Id, ClientAddress: q.Member.ClientAddress, RaftAddress: q.Member.RaftAddress,
		AdminAddress: q.Member.AdminAddress, FeatureLevel: q.Member.FeatureLevel,
	}
	members, err := MetaMembers(a)
	a.fail(err)
	known := slices.IndexFunc(members, func(m *record.MetaMember) bool { return m.Id == member.Id })
	if known < 0 && len(members) >= protocol.MaxMetaservers {
		return a.refuse(protocol.LimitExceeded, "there are %d metaservers, which is the limit", len(members))
	}
	if known >= 0 && sameMember(members[known], member) {
		return a.done()
	}
	a.store(keyMetaMember(member.Id), member)
	a.next()
	return a.done()
}

func sameMember(x, y *record.MetaMember) bool {
	return x.ClientAddress == y.ClientAddress && x.RaftAddress == y.RaftAddress &&
		x.AdminAddress == y.AdminAddress && x.FeatureLevel == y.FeatureLevel
}

func (a *applier) removeMetaMember(q *record.RemoveMetaMember) *record.Result {
	key := keyMetaMember(q.Id)
	if !a.load(key, &record.MetaMember{}) {
		return a.refuse(protocol.NotFound, "no metaserver %s is known", protocol.Quote(q.Id))
	}
	a.delete(key)
	a.next()
	return a.done()
}

// MetaMembers returns the metaservers that the log knows, by id.
func MetaMembers(r Reader) ([]*record.MetaMember, error) {
	var out []*record.MetaMember
	err := scanRows(r, []byte{tableMetaMembers}, func(_ []byte, m *record.MetaMember) bool {
		out = append(out, m)
		return true
	})
	return out, err
}
