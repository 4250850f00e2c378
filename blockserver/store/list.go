package store

import (
	"context"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// List returns up to limit copies (1 to protocol.MaxInventoryPage) with hashes
// above after, in hash order over all disks, one item a hash. If more is true,
// next is the after of the next page. What changes while pages are read may or
// may not be in them; what does not change is. A directory that cannot be read
// is a Disk error, never a gap.
func (s *Store) List(ctx context.Context, after protocol.Hash, limit int) (items []Info, next protocol.Hash, more bool, err error) {
	if err := s.enterReading(ctx); err != nil {
		return nil, protocol.Hash{}, false, err
	}
	defer s.leave()
	limit = min(max(limit, 1), protocol.MaxInventoryPage)
	for h, err := range s.hashes(after) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, protocol.Hash{}, false, err
		}
		item, found := s.describe(h)
		if !found {
			continue
		}
		if len(items) == limit {
			return items, items[limit-1].Hash, true, nil
		}
		items = append(items, item)
	}
	return items, protocol.Hash{}, false, nil
}

// describe reads h's state; false if it is gone meanwhile.
func (s *Store) describe(h protocol.Hash) (Info, bool) {
	copies := s.locate(h)
	for i := range copies {
		if c := &copies[i]; c.err == nil {
			return c.info(h), true
		}
	}
	for i := range copies {
		return Info{Hash: h, Disk: copies[i].disk.number.Load(), State: Unreadable}, true
	}
	item := Info{Hash: h}
	for _, d := range s.disks {
		if v, found := d.quarantinedVersion(h); found && (item.State == 0 || item.Version.Less(v)) {
			item = Info{Hash: h, Version: v, Disk: d.number.Load(), State: Quarantined}
		}
	}
	return item, item.State != 0
}

// hashes walks every hash above after that has a file, leaf by leaf, so that one
// leaf of each disk is in memory at a time.
func (s *Store) hashes(after protocol.Hash) func(yield func(protocol.Hash, error) bool) {
	return func(yield func(protocol.Hash, error) bool) {
		bad := s.quarantinedAfter(after)
		for _, top := range topDigits()[after[0]:] {
			leaves, err := s.leavesOf(top, bad)
			if err != nil {
				yield(protocol.Hash{}, err)
				return
			}
			for _, leaf := range leaves {
				if leaf < hex.EncodeToString(after[:2]) {
					continue
				}
				found, err := s.hashesOf(leaf, bad)
				if err != nil {
					yield(protocol.Hash{}, err)
					return
				}
				for _, h := range found {
					if after.Compare(h) < 0 && !yield(h, nil) {
						return
					}
				}
			}
		}
	}
}

// leavesOf returns the four digits of every directory below top, of all disks,
// and of what was set aside.
func (s *Store) leavesOf(top string, bad map[string][]protocol.Hash) ([]string, error) {
	set := map[string]bool{}
	for _, d := range s.disks {
		entries, err := d.fs.ReadDir(dirData + "/" + top)
		if err != nil {
			return nil, d.trouble("list "+dirData+"/"+top, err)
		}
		for _, e := range entries {
			if isLeaf(e) {
				set[top+e.Name] = true
			}
		}
	}
	for leaf := range bad {
		if leaf[:2] == top {
			set[leaf] = true
		}
	}
	return slices.Sorted(maps.Keys(set)), nil
}

// isLeaf reports whether an entry of a top directory may hold blocks: anything
// else there is somebody else's, and no reason to stop.
func isLeaf(e durable.Entry) bool {
	_, err := hex.DecodeString(e.Name)
	return err == nil && len(e.Name) == 2 && e.Type.IsDir()
}

func (s *Store) hashesOf(leaf string, bad map[string][]protocol.Hash) ([]protocol.Hash, error) {
	all := slices.Clone(bad[leaf])
	for _, d := range s.disks {
		found, err := d.listLeaf(leaf)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, protocol.Hash.Compare)
	return slices.Compact(all), nil
}

// listLeaf returns the hashes of the directory with these four digits; an absent
// one is empty. Names that are no hash of this directory are passed over.
func (d *disk) listLeaf(leaf string) ([]protocol.Hash, error) {
	dir := dirData + "/" + leaf[:2] + "/" + leaf[2:]
	entries, err := d.fs.ReadDir(dir)
	if durable.IsAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, d.trouble("list "+dir, err)
	}
	hashes := make([]protocol.Hash, 0, len(entries))
	for _, e := range entries {
		h, err := protocol.ParseHash(e.Name)
		if err != nil || e.Name[:4] != leaf {
			d.log.Warn("foreign file among the blocks", "path", d.path, "name", protocol.Quote(dir+"/"+e.Name))
			continue
		}
		hashes = append(hashes, h)
	}
	return hashes, nil
}

// quarantinedAfter returns what was set aside above after, by the four digits of
// its leaf.
func (s *Store) quarantinedAfter(after protocol.Hash) map[string][]protocol.Hash {
	bad := map[string][]protocol.Hash{}
	for _, d := range s.disks {
		d.mu.Lock()
		for h := range d.quarantined {
			if after.Compare(h) < 0 {
				leaf := hex.EncodeToString(h[:2])
				bad[leaf] = append(bad[leaf], h)
			}
		}
		d.mu.Unlock()
	}
	return bad
}
