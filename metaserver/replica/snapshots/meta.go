package snapshots

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/bundle"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// format is the layout of meta.json.
const format = 1

// Snapshot is meta.json, and what raft is told of it.
type Snapshot struct {
	Format  int         `json:"format"`
	ID      string      `json:"id"`
	Cluster protocol.ID `json:"cluster"`
	// Index and Term are raft's: entries of its own may end the snapshot.
	// StateIndex and StateTerm are the last entry that the state has applied.
	Index      uint64 `json:"index"`
	Term       uint64 `json:"term"`
	StateIndex uint64 `json:"state_index"`
	StateTerm  uint64 `json:"state_term"`
	// Size is the stream's length in bytes.
	Size               int64    `json:"size"`
	Servers            []Server `json:"servers"`
	ConfigurationIndex uint64   `json:"configuration_index"`
	TakenUnixMS        int64    `json:"taken_unix_ms"`
	dir                string
}

// Server is one member of the group, as of the snapshot.
type Server struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Voter   bool   `json:"voter"`
}

// Checkpoint is the folder of the state's files: they are linked, copied or
// streamed, and never changed.
func (s Snapshot) Checkpoint() string { return filepath.Join(s.dir, "checkpoint") }

func (s Snapshot) header() bundle.Header {
	return bundle.Header{Cluster: s.Cluster, Index: s.Index, Term: s.Term, StateIndex: s.StateIndex, StateTerm: s.StateTerm}
}

func (s Snapshot) meta() *raft.SnapshotMeta {
	return &raft.SnapshotMeta{
		Version: 1, ID: s.ID, Index: s.Index, Term: s.Term,
		Configuration: s.Configuration(), ConfigurationIndex: s.ConfigurationIndex, Size: s.Size,
	}
}

// Configuration is Servers in raft's words: the configuration at ConfigurationIndex,
// which was committed when the snapshot was made.
func (s Snapshot) Configuration() (c raft.Configuration) {
	for _, x := range s.Servers {
		server := raft.Server{ID: raft.ServerID(x.ID), Address: raft.ServerAddress(x.Address), Suffrage: raft.Nonvoter}
		if x.Voter {
			server.Suffrage = raft.Voter
		}
		c.Servers = append(c.Servers, server)
	}
	return c
}

func serversOf(c raft.Configuration) []Server {
	out := make([]Server, len(c.Servers))
	for i, s := range c.Servers {
		out[i] = Server{ID: string(s.ID), Address: string(s.Address), Voter: s.Suffrage == raft.Voter}
	}
	return out
}

func readMeta(dir string) (Snapshot, error) {
	b, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err != nil {
		return Snapshot{}, fmt.Errorf("snapshot: %w", err)
	}
	one, err := parseMeta(b)
	if err != nil || one.ID != filepath.Base(dir) {
		return Snapshot{}, protocol.Errorf(protocol.Corrupt, "snapshot %s: broken meta.json: %v", filepath.Base(dir), err)
	}
	one.dir = dir
	return one, nil
}

func parseMeta(b []byte) (Snapshot, error) {
	var one Snapshot
	if err := json.Unmarshal(b, &one); err != nil {
		return Snapshot{}, err
	}
	if one.Format != format {
		return Snapshot{}, fmt.Errorf("format %d, this is %d", one.Format, format)
	}
	return one, nil
}
