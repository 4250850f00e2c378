// Package record holds the generated entries and rows of the metadata state,
// from record.proto, which is the page to read. Regenerate with `make generate`.
package record
