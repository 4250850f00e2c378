// This prose is long enough to count as a page, but it does not begin with the
// name of what it is about, so nobody who reads a list of packages is helped by it.
package blockserver
