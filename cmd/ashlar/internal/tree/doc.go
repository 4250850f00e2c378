// Package tree turns a folder into objects and objects into a folder, so that
// `diff -r` between the two folders finds nothing.
//
// A regular file is an object of its bytes; a symbolic link is an object whose
// bytes are the link's target; a folder needs an object only when it is empty or
// its mode is not 0755, and then has no bytes and a name that ends in "/". What
// bytes cannot say stands in user metadata:
//
//	ashlar-type   absent for a file, "symlink" or "directory"
//	ashlar-mode   permission bits in octal, as in "0755"
//	ashlar-mtime  time of modification, RFC 3339 in UTC with nanoseconds (files)
//
// Set-user-id bits, owners, extended attributes, hard links and times of folders
// are not kept. Devices, pipes and sockets are reported and skipped.
//
// Invariants. Writing never leaves the target folder: every path goes through
// os.Root, names that are not local are refused, and links are made after all
// files. A file appears under its name only when it is complete: it is written
// beside it and renamed.
package tree
