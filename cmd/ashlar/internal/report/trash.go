package report

import "github.com/seed-7d21a5b5/ashlar/client"

// Bucket is what `ashlar bucket show -o json` prints.
type Bucket struct {
	Bucket string `json:"bucket"`
	// TrashKeepMs is how long deleted and overwritten objects are kept, in
	// milliseconds; 0: not.
	TrashKeepMs int64 `json:"trash_keep_ms"`
	// Redundancy is the copies of each block of objects that come; 0: the cluster's.
	Redundancy int `json:"redundancy"`
	// Version is when the settings were made, 0.0 for the usual ones.
	Version string `json:"version"`
}

// BucketOf turns the SDK's form into ours.
func BucketOf(b client.Bucket) Bucket {
	return Bucket{b.Name, b.TrashKeep.Milliseconds(), b.Redundancy, b.Version.String()}
}

// Undeleted is what `ashlar undelete -o json` prints.
type Undeleted struct {
	Bucket string `json:"bucket"`
	Name   string `json:"name"`
	// Version is the new one, Was the one that it had in the trash, and Replaced
	// that of the live object it took the place of, if there was one.
	Version  string `json:"version"`
	Was      string `json:"was"`
	Replaced string `json:"replaced,omitempty"`
}

// UndeletedOf turns the SDK's form into ours.
func UndeletedOf(bucket, name string, u client.Undeleted) Undeleted {
	out := Undeleted{Bucket: bucket, Name: name, Version: u.Version.String(), Was: u.Was.String()}
	if !u.Replaced.IsZero() {
		out.Replaced = u.Replaced.String()
	}
	return out
}

// Emptied is what `ashlar trash empty -o json` prints.
type Emptied struct {
	Objects int64 `json:"objects"`
	// Bytes is the sum of their sizes.
	Bytes int64 `json:"bytes"`
}

// EmptiedOf turns the SDK's form into ours.
func EmptiedOf(e client.Emptied) Emptied { return Emptied{e.Objects, e.Bytes} }

// Renewed is what `ashlar bucket renew -o json` prints.
type Renewed struct {
	// Seen counts the objects looked at, Renewed those that asked for something else.
	Seen    int64 `json:"seen"`
	Renewed int64 `json:"renewed"`
	// Bytes is the sum of the sizes of those renewed.
	Bytes int64 `json:"bytes"`
}
