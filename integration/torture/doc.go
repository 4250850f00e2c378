// Package torture breaks a real cluster while clients work on it, heals it, and
// then asks whether anything that was promised is gone.
//
// A run starts a cluster of processes from a seed. Clients put, delete, get, stat
// and list over the SDK, and write down what they were told (package history). A
// fault is put in force and healed; then the leader is stopped and let go on, in
// every run, while readers that never go to another server wait in its queue. At
// the end everything is checked:
//
//   - a write succeeds;
//   - what is there reads back, and the history does not contradict itself;
//   - all metaservers hold the same state, and count the same as they kept;
//   - every block of every object can be read from R blockservers;
//   - blockservers hold what is referenced and nothing else, once the garbage has
//     been collected (grace is 0);
//   - after everything is deleted, nothing remains anywhere.
//
// A campaign makes one run a fault first and then combines faults, several runs at a
// time if asked. It stops at the first failure, or goes through all, and keeps of each
// the seed, the history, the logs and the data. What every run showed is kept too, so
// that the tables of campaigns can be made one.
//
// Invariants:
//
//   - A seed decides the faults, their order and lengths, and what each client asks
//     for; the scheduling of processes it cannot decide.
//   - Only what the SDK itself calls unknown is taken as unknown. An error that a
//     healthy store never gives, such as lost data, fails the run by itself.
//   - Every wait ends, in the state waited for or in an error that says what was
//     missing.
package torture
