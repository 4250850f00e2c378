package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
)

// stall is how long every sync of a disk that stalls takes.
const stall = 12 * time.Second

// letGo is how long strace may take to let go of a member. It waits for ever for one
// that dies just then and of which it did not know every thread.
const letGo = 10 * time.Second

// disks are the faults of sections C to E: disks that fail, stall or are full.
func disks(c *cluster.Cluster, r *rand.Rand) []Fault {
	var all []Fault
	for _, m := range c.Members() {
		if m.Disk != nil {
			all = append(all, fill(c, m))
		}
	}
	if straceMissing() != nil {
		return all
	}
	return append(
		all,
		syncs(c, "fail-syncs-of-leader", leader(c), "error=EIO"),
		syncs(c, "fail-syncs-of-follower", follower(c, r), "error=EIO"),
		syncs(c, "fail-syncs-of-blockserver", blockserver(c, r), "error=EIO"),
		syncs(c, "stall-syncs-of-leader", leader(c), "delay_enter="+stall.String()),
		syncs(c, "stall-syncs-of-follower", follower(c, r), "delay_enter="+stall.String()),
	)
}

// fill leaves no byte free on a member's disk. A metaserver ends by that; healing
// frees the disk and starts a metaserver anew.
func fill(c *cluster.Cluster, m *cluster.Member) Fault {
	return &fault{name: "fill-disk-of-" + m.Name, cluster: c, inject: func(_ context.Context, f *fault) error {
		f.undoes(func(context.Context) error {
			if err := m.Disk.Free(); err != nil {
				return err
			}
			// A metaserver that runs still, or that another healing has started before the
			// disk was free, may have failed a write already and be about to end by it.
			if slices.Contains(c.Meta, m) {
				return m.Restart()
			}
			return m.Begin()
		})
		return m.Disk.Fill()
	}}
}

// syncs has strace answer the victim's calls of fsync and fdatasync.
func syncs(c *cluster.Cluster, name string, choose victim, answer string) Fault {
	return &fault{name: name, cluster: c, inject: func(ctx context.Context, f *fault) error {
		victims, err := choose(ctx)
		if err != nil {
			return err
		}
		m := victims[0]
		end, err := Trace(ctx, m, "fsync,fdatasync", answer)
		if err != nil {
			return err
		}
		f.undoes(func(context.Context) error {
			end()
			if !strings.HasPrefix(answer, "error") {
				return m.Begin()
			}
			// A metaserver ends by a failed sync. A blockserver goes on, and its disk
			// acknowledges nothing more, deletes neither, until it is started again.
			return m.Restart()
		})
		return nil
	}}
}

// Trace has strace change the answer of the named system calls of a member that
// runs, as in "error=EIO" or "delay_enter=10s". The member runs on when end is
// called, if it still runs.
func Trace(ctx context.Context, m *cluster.Member, calls, answer string) (end func(), err error) {
	pid := m.Pid()
	if pid == 0 {
		return nil, fmt.Errorf("%s does not run", m.Name)
	}
	cmd := exec.Command("strace", "-f", "-qq", "-o", os.DevNull, "-e", "trace="+calls, "-e", "inject="+calls+":"+answer, "-p", fmt.Sprint(pid))
	// Its death lets go of the member.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	end = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		timer := time.NewTimer(letGo)
		defer timer.Stop()
		select {
		case <-ended:
		case <-timer.C:
			_ = cmd.Process.Kill()
			<-ended
		}
	}
	for !traced(pid) {
		timer := time.NewTimer(10 * time.Millisecond)
		select {
		case <-timer.C:
			continue
		case <-ended:
			err = fmt.Errorf("strace does not follow %s: %s", m.Name, cmd.ProcessState)
		case <-ctx.Done():
			err = ctx.Err()
		}
		timer.Stop()
		end()
		return nil, err
	}
	return end, nil
}

// traced tells whether all threads of a process have a tracer.
func traced(pid int) bool {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return false
	}
	for _, thread := range threads {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, thread.Name()))
		if err != nil || strings.Contains(string(text), "\nTracerPid:\t0\n") {
			return false
		}
	}
	return true
}

// straceMissing tells why system calls cannot be answered for the members here.
func straceMissing() error {
	if _, err := exec.LookPath("strace"); err != nil {
		return fmt.Errorf("the command strace is not installed")
	}
	trial := exec.Command("strace", "-qq", "-o", os.DevNull, "-e", "inject=fsync:error=EIO", "sync", os.DevNull)
	if text, err := trial.CombinedOutput(); err == nil || !strings.Contains(string(text), "sync") {
		return fmt.Errorf("strace does not work here: %v: %s", err, text)
	}
	return nil
}
