// Package storetest is the conformance suite of package store: what a node's
// blocks must do on any durable.FS, one test a rule.
//
// Run takes a maker of empty disks and runs every rule on new ones. The suite
// looks at a store from outside, through its verbs, and at the disks through the
// durable.FS below it, where it also does the damage that a bad disk would do. It
// does not crash anything; what a crash may leave is tested with package crashfs
// beside the store.
//
// Invariants: a rule uses no clock and no chance that it does not print; it leaves
// nothing behind that its maker does not clean up.
package storetest

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
)

// Maker returns an empty place for a disk: a file system, and the path to call
// it by. It is called once for every disk.
type Maker func(t testing.TB) (fs durable.FS, path string)

// Run checks every rule on disks that make makes.
func Run(t *testing.T, make Maker) {
	for _, rule := range []struct {
		name  string
		check func(t *testing.T, b *Bed)
	}{
		{"PutGet", putGet},
		{"PutRefusals", putRefusals},
		{"PutRewritesWhatLacksAChecksum", putRecompress},
		{"NotRegistered", notRegistered},
		{"AdoptOnce", adoptOnce},
		{"VersionOnlyGrows", versionOnlyGrows},
		{"AcksAreCounted", acksAreCounted},
		{"DeleteBelow", deleteBelow},
		{"BadIsAbsentFirst", badIsAbsentFirst},
		{"GetNeverServesBad", getNeverServesBad},
		{"QuarantineByHand", quarantineByHand},
		{"ForeignFilesStay", foreignFilesStay},
		{"ListInOrder", listInOrder},
		{"ListTellsStates", listTellsStates},
		{"OneLockPerHash", oneLockPerHash},
		{"FullIsTyped", fullIsTyped},
		{"SweepAtOpen", sweepAtOpen},
		{"SeveralDisks", severalDisks},
		{"UnmountedIsNotEmpty", unmountedIsNotEmpty},
		{"OneOwner", oneOwner},
		{"Canceled", canceledEarly},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.check(t, newBed(t, make)) })
	}
}
