package bench

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

const (
	// servers is how many of each role are spawned.
	servers = 3
	// startTimeout bounds the wait for a spawned cluster.
	startTimeout = 60 * time.Second
	// stopTimeout bounds the wait for one process to end before it is killed.
	stopTimeout = 15 * time.Second
)

// Spawned is a cluster of processes of this binary on loopback.
type Spawned struct {
	// Endpoints are the metaservers' client addresses.
	Endpoints []string

	dir       string
	processes []*process
}

type process struct {
	cmd  *exec.Cmd
	log  *os.File
	done chan error
}

// Spawn starts 3 metaservers and 3 blockservers with data and logs below dir and
// waits until all of them serve.
func Spawn(ctx context.Context, dir string) (*Spawned, error) {
	ports, err := freePorts(servers * 4)
	if err != nil {
		return nil, err
	}
	at := func(kind, i int) string { return ports[kind*servers+i] }
	const clients, rafts, admins, blocks = 0, 1, 2, 3
	s := &Spawned{dir: dir}
	for i := range servers {
		s.Endpoints = append(s.Endpoints, at(clients, i))
	}
	for i := range servers {
		args := []string{
			"metaserver", "--dir", filepath.Join(dir, fmt.Sprintf("meta%d", i)),
			"--client-listen", at(clients, i), "--raft-listen", at(rafts, i), "--admin-listen", at(admins, i),
		}
		if i == 0 {
			args = append(args, "--bootstrap")
		} else {
			args = append(args, "--join", at(admins, 0))
		}
		if err := s.start(fmt.Sprintf("meta%d", i), args); err != nil {
			return s, err
		}
	}
	for i := range servers {
		if err := s.start(fmt.Sprintf("block%d", i), []string{
			"blockserver", "--data", filepath.Join(dir, fmt.Sprintf("block%d", i)), "--listen", at(blocks, i),
			"--metaservers", strings.Join(s.Endpoints, ","), "--zone", fmt.Sprintf("zone%d", i),
		}); err != nil {
			return s, err
		}
	}
	return s, s.await(ctx)
}

// PIDs are the process ids of the servers.
func (s *Spawned) PIDs() []int {
	var out []int
	for _, p := range s.processes {
		out = append(out, p.cmd.Process.Pid)
	}
	return out
}

// Stop ends all servers, first in good order, then by force.
func (s *Spawned) Stop() {
	for _, p := range s.processes {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range s.processes {
		select {
		case <-p.done:
		case <-time.After(stopTimeout):
			_ = p.cmd.Process.Kill()
			<-p.done
		}
		_ = p.log.Close()
	}
}

func (s *Spawned) start(name string, args []string) error {
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(s.dir, name+".log"))
	if err != nil {
		return err
	}
	cmd := exec.Command(binary, args...)
	cmd.Args[0] = "ashlar"
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own: ^C at the terminal reaches this process only, which
	// then ends them in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		_ = log.Close()
		return err
	}
	p := &process{cmd: cmd, log: log, done: make(chan error, 1)}
	go func() { p.done <- cmd.Wait() }()
	s.processes = append(s.processes, p)
	return nil
}

// await polls the cluster's own word until every server is part of it.
func (s *Spawned) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		last := s.complete(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return protocol.Errorf(protocol.Unavailable, "the spawned servers did not come up; their logs are in %s: %w", s.dir, last)
		}
	}
}

func (s *Spawned) complete(ctx context.Context) error {
	c, err := client.Open(ctx, client.Config{Endpoints: s.Endpoints})
	if err != nil {
		return err
	}
	defer c.Close()
	status, err := c.Status(ctx)
	if err != nil {
		return err
	}
	voters, up := 0, 0
	for _, m := range status.GetMembers() {
		if m.GetVoter() && m.GetClientAddress() != "" {
			voters++
		}
	}
	for _, n := range status.GetNodes() {
		if n.GetState() == pb.NodeState_NODE_STATE_UP {
			up++
		}
	}
	if voters < servers || up < servers {
		return fmt.Errorf("%d voters and %d blockservers so far", voters, up)
	}
	return nil
}

// freePorts finds n free ports of loopback; another program may take one before
// it is used, which then shows as a failed start.
func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		out = append(out, ln.Addr().String())
	}
	return out, nil
}
