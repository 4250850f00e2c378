// Package pb holds the generated bodies of the wire, from wire.proto, which is
// the page to read. Regenerate with `make generate`; the rules test fails when
// the checked-in code is stale.
package pb
