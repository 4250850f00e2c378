// Package transfer moves whole trees between a folder and a cluster, many files
// at once.
//
// Upload walks the folder while its workers put what the walk has found;
// Download lists the prefix while its workers get what the listing has told.
// What each item becomes is package tree's business.
//
// Invariants. What fails for one item alone is reported and the others go on;
// the command then ends with app.Partial. What would fail for all of them (no
// cluster, no room, no right) ends the transfer at once. An attempt whose outcome
// is unknown is made again: putting the same bytes under the same name twice
// changes nothing but the version.
package transfer
