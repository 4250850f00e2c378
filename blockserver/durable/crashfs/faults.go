package crashfs

import "math/rand/v2"

// Verb names what an Op does.
type Verb string

// The verbs that a Hook sees. Rename's name is the new one.
const (
	VerbCreate  Verb = "create"
	VerbOpen    Verb = "open"
	VerbMkdir   Verb = "mkdir"
	VerbRename  Verb = "rename"
	VerbRemove  Verb = "remove"
	VerbReadDir Verb = "readdir"
	VerbStat    Verb = "stat"
	VerbSyncDir Verb = "syncdir"
	VerbSyncAll Verb = "syncall"
	VerbSpace   Verb = "space"
	VerbLock    Verb = "lock"
	VerbRead    Verb = "read"
	VerbWrite   Verb = "write"
	VerbSync    Verb = "sync"
)

// Syncs reports whether the verb makes something durable.
func (v Verb) Syncs() bool { return v == VerbSync || v == VerbSyncDir || v == VerbSyncAll }

// Changes reports whether the verb changes what is on the disk, now or after a
// crash.
func (v Verb) Changes() bool {
	switch v {
	case VerbCreate, VerbMkdir, VerbRename, VerbRemove, VerbWrite:
		return true
	}
	return v.Syncs()
}

// Op is one verb about to run.
type Op struct {
	// Index counts the verbs of a disk, from 0.
	Index int
	Verb  Verb
	Name  string
}

// Fault makes a verb fail.
type Fault struct {
	Err error
	// After lets the verb take its effect first. Without it a write that runs out
	// of space, or is cut by a crash, still moves the first half; and a sync that
	// fails takes the effect that package crashfs describes in either case.
	After bool
}

// SetHook replaces the hook; nil removes it.
func (f *FS) SetHook(hook func(Op) *Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// Hook returns the present hook, for the FS that a Crash returns.
func (f *FS) Hook() func(Op) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hook
}

// Ops returns the number of verbs so far.
func (f *FS) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

// enter locks the disk and asks the hook. With *err set the verb must not take
// effect. The returned func unlocks, and fails a verb whose fault comes after.
func (f *FS) enter(verb Verb, name string, err *error) func() {
	f.mu.Lock()
	if f.dead {
		*err = ErrCrashed
		return f.mu.Unlock
	}
	op := Op{Index: f.ops, Verb: verb, Name: name}
	f.ops++
	if f.hook == nil {
		return f.mu.Unlock
	}
	fault := f.hook(op)
	if fault == nil {
		return f.mu.Unlock
	}
	if fault.Err == ErrCrashed {
		f.dead = true
	}
	failure := wrap(verb, name, fault.Err)
	if !fault.After || (verb.Syncs() && !f.dead) {
		*err = failure
		return f.mu.Unlock
	}
	return func() {
		defer f.mu.Unlock()
		*err = failure
	}
}

// chance returns the source that decides the present verb's luck.
func (f *FS) chance() *rand.Rand { return rand.New(rand.NewPCG(f.seed, uint64(f.ops))) }
