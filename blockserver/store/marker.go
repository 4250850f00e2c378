package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

const (
	markerFormat = 1
	maxMarker    = 64 << 10
)

// marker is the content of data/ashlar-disk.json: whose disk this is. A folder
// without one, or with one of somebody else's, is not this node's disk.
type marker struct {
	Format int `json:"format"`
	// Disk names this disk, Identity the node, each for ever.
	Disk     protocol.ID `json:"disk"`
	Identity protocol.ID `json:"identity"`
	// Cluster and Node are zero until the node has been admitted.
	Cluster protocol.ID     `json:"cluster,omitzero"`
	Node    protocol.NodeID `json:"node,omitzero"`
	// Disks are the node's disks, as far as this one was told: a start that misses
	// one of them is refused, because an unmounted disk is not an empty one.
	Disks []protocol.ID `json:"disks"`
}

func (m marker) encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	return append(b, '\n'), err
}

func (m marker) equal(o marker) bool {
	return m.Format == o.Format && m.Disk == o.Disk && m.Identity == o.Identity &&
		m.Cluster == o.Cluster && m.Node == o.Node && slices.Equal(m.Disks, o.Disks)
}

// parseMarker reads a marker. What is none is Corrupt, a later format Unsupported.
func parseMarker(content []byte) (marker, error) {
	var probe struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(content, &probe); err != nil {
		return marker{}, protocol.Errorf(protocol.Corrupt, "%s is unreadable: %v", nameMarker, err)
	}
	if probe.Format != markerFormat {
		return marker{}, protocol.Errorf(protocol.Unsupported, "%s has format %d; this program reads format %d", nameMarker, probe.Format, markerFormat)
	}
	var m marker
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return marker{}, protocol.Errorf(protocol.Corrupt, "%s is unreadable: %v", nameMarker, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return marker{}, protocol.Errorf(protocol.Corrupt, "%s goes on after its end", nameMarker)
	}
	if m.Disk.IsZero() || m.Identity.IsZero() || len(m.Disks) > protocol.MaxDisks || slices.Contains(m.Disks, protocol.ID{}) {
		return marker{}, protocol.Errorf(protocol.Corrupt, "%s names no disk or node, or too many disks", nameMarker)
	}
	return m, nil
}

// settle checks that the markers found are the disks of one node, all of them,
// and returns what they agree on: a marker without a disk of its own. With no
// marker at all it returns the zero marker.
func settle(found []marker, forget []protocol.ID) (marker, error) {
	agreed := marker{Format: markerFormat}
	var known []protocol.ID
	for _, m := range found {
		switch {
		case slices.Contains(agreed.Disks, m.Disk):
			return marker{}, refuse("two folders say that they are disk %s; one is a copy", m.Disk)
		case !agreed.Identity.IsZero() && m.Identity != agreed.Identity:
			return marker{}, refuse("disk %s belongs to another node (%s) than the rest (%s)", m.Disk, m.Identity, agreed.Identity)
		case !m.Cluster.IsZero() && !agreed.Cluster.IsZero() && m.Cluster != agreed.Cluster:
			return marker{}, protocol.Errorf(protocol.WrongCluster, "disk %s belongs to cluster %s, the rest to %s", m.Disk, m.Cluster, agreed.Cluster)
		}
		agreed.Identity = m.Identity
		if !m.Cluster.IsZero() {
			agreed.Cluster, agreed.Node = m.Cluster, m.Node
		}
		agreed.Disks = append(agreed.Disks, m.Disk)
		known = append(known, m.Disks...)
	}
	for _, id := range known {
		if !slices.Contains(agreed.Disks, id) && !slices.Contains(forget, id) {
			return marker{}, refuse("disk %s of this node is missing; is it mounted, and is its folder given?", id)
		}
	}
	return agreed, nil
}

// Cluster returns the cluster that the markers name; zero until the first Adopt.
func (s *Store) Cluster() protocol.ID {
	for _, d := range s.disks {
		if c := d.cluster(); !c.IsZero() {
			return c
		}
	}
	return protocol.ID{}
}

// Adopt takes what Register answered; nothing is acknowledged before. diskNumbers[i]
// belongs to Disks()[i]. The first time it writes cluster and node into the
// markers; another cluster later is WrongCluster. Another number for the same
// identity is what metadata gives that was restored from before the node joined:
// the markers follow. A repeated Adopt takes the new incarnation.
func (s *Store) Adopt(cluster protocol.ID, node protocol.NodeID, incarnation protocol.Incarnation, diskNumbers []uint32) error {
	s.adopting.Lock()
	defer s.adopting.Unlock()
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return protocol.Errorf(protocol.Unavailable, "the store is closed")
	}
	if cluster.IsZero() || node == 0 || len(diskNumbers) != len(s.disks) {
		return protocol.Errorf(protocol.InvalidArgument, "cluster %s, node %s and %d disk numbers for %d disks", cluster, node, len(diskNumbers), len(s.disks))
	}
	for i, d := range s.disks {
		if err := d.adopt(cluster, node); err != nil {
			return err
		}
		d.number.Store(diskNumbers[i])
	}
	s.admission.Store(&admission{cluster: cluster, node: node, incarnation: incarnation})
	return nil
}

// Dismiss ends the admission, as before a new start: what acknowledges is
// NotRegistered from now on, and what does so already has ended when it returns.
// Reading goes on. The counts of Disks stand still until the next Adopt.
func (s *Store) Dismiss() {
	if adm := s.admission.Swap(nil); adm != nil {
		adm.under.Lock()
	}
}

func (d *disk) adopt(cluster protocol.ID, node protocol.NodeID) error {
	d.mu.Lock()
	m := d.marker
	d.mu.Unlock()
	if m.Cluster == cluster && m.Node == node {
		return nil
	}
	if !m.Cluster.IsZero() && m.Cluster != cluster {
		return protocol.Errorf(protocol.WrongCluster, "%s belongs to node %s of cluster %s, not to node %s of %s", d.path, m.Node, m.Cluster, node, cluster)
	}
	m.Cluster, m.Node = cluster, node
	return d.writeMarker(m)
}

// writeMarker replaces the marker durably.
func (d *disk) writeMarker(m marker) error {
	content, err := m.encode()
	if err != nil {
		return err
	}
	if err := durable.Replace(d.fs, nameMarker, nameMarkerTmp, content); err != nil {
		if durable.IsFull(err) {
			return d.trouble("write "+nameMarker, err)
		}
		return d.fail("write "+nameMarker, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.marker = m
	return nil
}

func refuse(format string, args ...any) error {
	return protocol.Errorf(protocol.InvalidArgument, format, args...)
}
