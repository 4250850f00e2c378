package machines

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

// stage is the variable that tells a process which of the three it is: the one
// that was started (unset), the trial, or the one that runs the tests.
const (
	stage  = "ASHLAR_MACHINES"
	trial  = "trial"
	inside = "inside"
)

// tools are the commands that machines are made with.
var tools = []string{"ip", "nft", "tc", "nsenter", "mount", "umount"}

// errMissing is why there are no machines, nil if there are.
var errMissing = errors.New("machines.Main did not run")

// Missing returns why New fails on this machine, nil if it does not.
func Missing() error { return errMissing }

// Main runs the tests where machines can be made and returns the exit code. It
// is called first of all in TestMain; where machines cannot be made, it says so
// on standard error and calls run in the process as it is.
func Main(run func() int) int {
	switch os.Getenv(stage) {
	case inside:
		if errMissing = settle(); errMissing != nil {
			fmt.Fprintln(os.Stderr, "machines:", errMissing)
			return 1
		}
		return run()
	case trial:
		if err := try(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	if errMissing = able(); errMissing != nil {
		fmt.Fprintln(os.Stderr, "no machines of our own:", errMissing)
		return run()
	}
	return again(inside)
}

// able tells why this machine cannot do it, after having tried.
func able() error {
	if os.Geteuid() != 0 {
		return errors.New("namespaces need root")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("the command %s is not installed", tool)
		}
	}
	cmd := self(trial)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(text)))
	}
	return nil
}

// self prepares this program again in namespaces of its own.
func self(as string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), stage+"="+as)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	return cmd
}

// again runs this program inside and returns its exit code. Signals meant for
// the tests are passed on, so that a timeout prints the tests' stacks.
func again(as string) int {
	// The death signal is bound to the thread that started the process.
	runtime.LockOSThread()
	cmd := self(as)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "machines:", err)
		return 1
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	err := cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code
	}
	fmt.Fprintln(os.Stderr, "machines:", err)
	return 1
}

// settle makes the new namespaces habitable: mounts stay in here, the names of
// the machines' namespaces too, and loopback works.
func settle() error {
	const names = "/run/netns"
	if err := os.MkdirAll(names, 0o755); err != nil {
		return err
	}
	for _, line := range []string{
		"mount --make-rprivate /",
		"mount -t tmpfs none " + names,
		"ip link set lo up",
	} {
		if err := command(line); err != nil {
			return err
		}
	}
	return nil
}

// try makes two machines and does to them all that can be done.
func try() error {
	if err := settle(); err != nil {
		return err
	}
	n, err := New()
	if err != nil {
		return err
	}
	defer func() { _ = n.Close() }()
	a, err := n.Add("a")
	if err != nil {
		return err
	}
	b, err := n.Add("b")
	if err != nil {
		return err
	}
	return errors.Join(n.Cut(a, b), n.Cut(b, n.Here()), n.Lose(a, 30), n.Slow(a, 1_000_000), n.Heal())
}

// command runs one line, split at spaces.
func command(line string) error {
	words := strings.Fields(line)
	if text, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(text)))
	}
	return nil
}
