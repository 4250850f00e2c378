package durable

import (
	"io"
	"io/fs"
)

// FS is the seam: the verbs that a store of files needs, with their durability
// spelled out. Names are slash-separated paths relative to the root, without
// ".", ".." or an empty element; no verb follows a symbolic link. All methods
// are safe for concurrent use.
//
// Errors wrap the system's: errors.Is(err, fs.ErrNotExist) is true if and only
// if the name is absent (ENOENT), and IsFull tells a full disk. Whatever else
// comes back means that the state of the name is unknown.
type FS interface {
	// Create makes a new file, mode 0600, for reading and writing. An existing
	// name is fs.ErrExist. Neither name nor content is durable yet.
	Create(name string) (File, error)
	// Open opens a regular file for reading; anything else is an error.
	Open(name string) (File, error)
	// OpenUpdate opens a regular file for reading and writing in place.
	OpenUpdate(name string) (File, error)
	// Mkdir makes a directory, mode 0700. An existing name is fs.ErrExist.
	Mkdir(name string) error
	// Rename gives a file its new name and replaces what had it. Durable after
	// SyncDir of both directories; with only the new one synced the old name may
	// come back after a crash.
	Rename(oldName, newName string) error
	// Remove unlinks a file or an empty directory; durable after SyncDir.
	Remove(name string) error
	// ReadDir lists a directory in ascending order of names.
	ReadDir(name string) ([]Entry, error)
	// Stat tells about the name itself, also if it is a link.
	Stat(name string) (Entry, error)
	// SyncDir makes every change of names in the directory durable. After an
	// error nothing about them is known, and a second try proves nothing.
	SyncDir(name string) error
	// SyncAll makes everything found under the root durable.
	SyncAll() error
	// Space tells the size of the file system and what is left of it, in bytes.
	Space() (Space, error)
	// Lock takes the file system for one owner until Close of what it returns;
	// a second owner gets an error. The name is created if it is absent.
	Lock(name string) (io.Closer, error)
	// Close releases the root; files that are open stay usable.
	Close() error
}

// File is an open regular file. ReadAt and WriteAt are safe for concurrent use.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Size returns the length in bytes.
	Size() (int64, error)
	// Sync makes content and length durable. An error is final: the system may
	// have dropped the bytes and will not say so again.
	Sync() error
	// Datasync is Sync without what a reader does not need, such as times.
	Datasync() error
	// Close releases the file and promises nothing about durability.
	Close() error
}

// Entry is one name of a directory.
type Entry struct {
	Name string
	// Size is the length in bytes; ReadDir leaves it 0.
	Size int64
	// Type is the file type, without permissions: 0 for a regular file.
	Type fs.FileMode
}

// Space is the room of a file system, in bytes.
type Space struct{ Total, Free uint64 }
