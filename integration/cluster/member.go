package cluster

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/machines"
	"github.com/seed-7d21a5b5/ashlar/integration/proxy"
)

// stopTimeout bounds the wait for a member that was asked to end.
const stopTimeout = 30 * time.Second

// Member is one process of the cluster. Its methods are safe for concurrent use.
type Member struct {
	// Name is its role and number, as in "meta-1".
	Name string
	// Address is its client port, or a blockserver's only one.
	Address string
	// Admin is a metaserver's admin port.
	Admin string
	// Data is its data folder.
	Data string
	// Machine, Disk and Proxies are what it stands on, where Config asked for it:
	// a proxy a port, a metaserver's are those of its client, Raft and admin port.
	Machine *machines.Machine
	Disk    *machines.Disk
	Proxies []*proxy.Proxy

	binary, dir string
	// args are its command line, begin what it says besides on an empty folder.
	args, begin []string

	// changing is held by who ends and starts the process in several steps.
	changing sync.Mutex

	mu   sync.Mutex
	more []string
	cmd  *exec.Cmd
	done chan struct{}
	exit error
}

// With sets arguments that the next starts have besides; none: no more.
func (m *Member) With(args ...string) *Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.more = args
	return m
}

// Start runs the process on its folder and ports; its output goes to a log.
// Flags given here hold for this run only.
func (m *Member) Start(flags ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running() {
		return fmt.Errorf("%s runs already", m.Name)
	}
	log, err := os.OpenFile(m.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	line := slices.Concat(m.enter(), []string{m.binary}, m.args, m.begin, m.more, flags)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	// A test that dies takes its servers with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		_ = log.Close()
		return fmt.Errorf("start %s: %w", m.Name, err)
	}
	done := make(chan struct{})
	m.cmd, m.done = cmd, done
	go func() {
		err := cmd.Wait()
		_ = log.Close()
		m.mu.Lock()
		m.exit = err
		m.mu.Unlock()
		close(done)
	}()
	return nil
}

func (m *Member) enter() []string {
	if m.Machine == nil {
		return nil
	}
	return m.Machine.Enter()
}

// Begin starts a member that does not run; one that runs it leaves alone. Like
// Restart and Replace it may be called by several at once, who do not find each other
// half-way.
func (m *Member) Begin() error {
	m.changing.Lock()
	defer m.changing.Unlock()
	if m.Running() {
		return nil
	}
	return m.Start()
}

// Restart kills the process, if it runs, and starts it again.
func (m *Member) Restart() error {
	m.changing.Lock()
	defer m.changing.Unlock()
	m.Kill()
	return m.Start()
}

// Replace kills the process, if it runs, and has a metaserver begin on an empty
// folder: it joins the cluster through the one at the admin address, as a new member.
func (m *Member) Replace(admin string) error {
	m.changing.Lock()
	defer m.changing.Unlock()
	m.Kill()
	if err := os.RemoveAll(m.Data); err != nil {
		return err
	}
	m.mu.Lock()
	m.begin = []string{"--join", admin}
	m.mu.Unlock()
	return m.Start()
}

// Kill ends the process as kill -9 does and waits until it is gone.
func (m *Member) Kill() { m.signalAndWait(syscall.SIGKILL) }

// Stop asks the process to end with SIGTERM and waits; it returns how it ended.
func (m *Member) Stop() error {
	m.signalAndWait(syscall.SIGTERM)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.exit
}

// Freeze stops the process's execution with SIGSTOP and waits until it stands
// still; Thaw lets it go on. The wait matters: a signal stops the thread that it
// was handed to and only that one stops the others, so that on a busy machine a
// process goes on answering for a while after kill(2) has returned.
func (m *Member) Freeze() {
	m.signal(syscall.SIGSTOP)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for pid := m.Pid(); pid != 0 && m.Running() && !still(pid); {
		<-look.C
	}
}

// still tells whether no thread of a process executes, as the kernel tells it: T
// is stopped, t stopped under strace, Z and X have ended.
func still(pid int) bool {
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		return false
	}
	for _, path := range stats {
		// The state follows the name of the command, which may hold anything but ends
		// with the last bracket.
		text, err := os.ReadFile(path)
		end := bytes.LastIndexByte(text, ')')
		if err == nil && (end < 0 || end+2 >= len(text) || !bytes.ContainsRune([]byte("TtZX"), rune(text[end+2]))) {
			return false
		}
	}
	return true
}

// Thaw lets a frozen process go on.
func (m *Member) Thaw() { m.signal(syscall.SIGCONT) }

// Running reports whether the process has not ended.
func (m *Member) Running() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running()
}

// Pid returns the process's id, 0 where none runs.
func (m *Member) Pid() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.running() {
		return 0
	}
	return m.cmd.Process.Pid
}

// Tail returns the end of the member's log.
func (m *Member) Tail() string {
	const most = 2000
	text, err := os.ReadFile(m.logPath())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

func (m *Member) logPath() string { return filepath.Join(m.dir, m.Name+".log") }

func (m *Member) running() bool {
	if m.cmd == nil {
		return false
	}
	select {
	case <-m.done:
		return false
	default:
		return true
	}
}

func (m *Member) signal(s syscall.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running() {
		_ = m.cmd.Process.Signal(s)
	}
}

func (m *Member) signalAndWait(s syscall.Signal) {
	m.signal(s)
	m.await()
}

func (m *Member) terminate() {
	m.signal(syscall.SIGCONT)
	m.signal(syscall.SIGTERM)
}

// await waits for the end that was asked for, and forces it in the end.
func (m *Member) await() {
	m.mu.Lock()
	done := m.done
	m.mu.Unlock()
	if done == nil {
		return
	}
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		m.signal(syscall.SIGKILL)
		<-done
	}
}

// renew has a metaserver's next start begin on a new folder, in the way named.
func (m *Member) renew(begin ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Data += "-anew"
	// The folder follows --dir.
	m.args = slices.Clone(m.args)
	m.args[2] = m.Data
	m.begin = begin
}
