// Package settings gives every flag of the command three more places to get its
// value from: flag > environment > file > default.
//
// A flag's key is the path of its command and its name, joined by dots:
// `ashlar metaserver --dir` is `metaserver.dir`; a flag of every command, as
// `--endpoints`, is just `endpoints`. The environment spells the key in capitals
// with underscores after ASHLAR_ (ASHLAR_METASERVER_DIR, ASHLAR_ENDPOINTS). The
// file is YAML whose mappings nest where the key has dots:
//
//	endpoints: [127.0.0.1:7400, 127.0.0.1:7401]
//	metaserver:
//	  dir: /var/lib/ashlar
//
// Invariants. There is one list of keys, the flags themselves, so nothing can be
// set in one place and not in another. Keys are strict: one that no flag has, or
// that stands twice, is an error that names the line. A value from any place
// passes through the flag's own parser, and an error names where it came from.
package settings
