// Package rules holds the house rules of this repository as code, so that they
// are checked on every run and not by a reviewer's memory.
//
// Each rule has a file with its checker and a test of the same name. A test
// runs the checker twice: over the whole tree, which must be clean, and over a
// small bad source under testdata, which must be reported, so that a rule that
// has gone blind fails too. The rules, by name:
//
//   - Arrows: imports point down only: cmd to client, metaserver and
//     blockserver, those to their rooms, all of them to protocol. The three
//     roles never import each other, and only one room knows each heavy
//     library. The SDK reaches none of them, not even through others.
//   - Top: nothing stands at the top of the tree but what is meant to, and no data
//     of a server that was tried out there.
//   - Purity: protocol, metaserver/state and metaserver/schedule do no I/O,
//     read no clock, start no goroutine, hold no lock, draw no random number,
//     change no global and never walk a Go map.
//   - Exits: a library returns; only package main ends the process.
//   - Documentation: every package opens with prose, every exported name says
//     what it is.
//   - Sizes: files, functions and rooms stay small enough to read.
//   - Sleeps: a test waits for a state, never for a while.
//   - Words: nothing in the tree tells of a machine, a registry or an author.
//   - Links: a page points at nothing that is not there.
//   - Fresh: generated code is what its source generates.
//
// Generated files (*.pb.go) are excepted from all but Words and Fresh.
//
// One annotation exists: a line `//ashlar:exit REASON` directly above a call
// that ends the process outside package main. At most one may stand in the tree.
package rules
