package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticksPerSecond is USER_HZ, the unit of processor time in /proc/PID/stat
// (proc(5)); Linux fixes it to 100 towards programs.
const ticksPerSecond = 100

// Usage is processor time, user and system together.
type Usage struct {
	Own, Servers time.Duration
}

// Processors reads the processor time of this process and of its servers.
type Processors struct {
	// Servers are process ids; one that has ended counts what it last showed.
	Servers []int

	last map[int]time.Duration
}

// Read tells the processor time used so far.
func (p *Processors) Read() Usage {
	var self syscall.Rusage
	var u Usage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &self) == nil {
		u.Own = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	}
	if p.last == nil {
		p.last = map[int]time.Duration{}
	}
	for _, pid := range p.Servers {
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
			if d, err := parseStat(text); err == nil {
				p.last[pid] = d
			}
		}
		u.Servers += p.last[pid]
	}
	return u
}

// parseStat reads utime and stime, fields 14 and 15 of /proc/PID/stat. The
// command in field 2 may hold spaces and parentheses: fields count after the
// last closing one.
func parseStat(text []byte) (time.Duration, error) {
	end := bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[end+1:]))
	const utime, stime = 14 - 3, 15 - 3
	if end < 0 || len(fields) <= stime {
		return 0, fmt.Errorf("bench: %d fields in a process's stat", len(fields))
	}
	user, err := strconv.ParseInt(fields[utime], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("bench: utime: %w", err)
	}
	system, err := strconv.ParseInt(fields[stime], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("bench: stime: %w", err)
	}
	return time.Duration(user+system) * time.Second / ticksPerSecond, nil
}
