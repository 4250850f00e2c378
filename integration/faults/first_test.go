package faults_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/metaserver/api/admin"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// TestKilledAtFirstStart: a metaserver that is killed at any moment of its first
// start starts again on the same folder, and never begins a second cluster where
// it had already begun one.
func TestKilledAtFirstStart(t *testing.T) {
	if cluster.Raced {
		t.Skip("the race detector does not see processes of their own")
	}
	const latest = 300 * time.Millisecond
	rounds := 3
	if long() {
		rounds = 30
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	ctx, cancel := context.WithTimeout(t.Context(), scenarioTimeout)
	defer cancel()
	for range rounds {
		f := newFirst(t, ctx)
		after := time.Duration(random.Int64N(int64(latest)))
		end := f.start()
		began := time.Now()
		await(t, ctx, "the moment", func() bool { return time.Since(began) >= after })
		end()
		was, hadOne := os.ReadFile(f.identity())

		end = f.start()
		first := f.cluster()
		is, err := os.ReadFile(f.identity())
		if hadOne == nil && (err != nil || !bytes.Equal(clusterOf(was), clusterOf(is))) {
			t.Errorf("killed after %v: the identity was %s and is %s (%v)", after, was, is, err)
		}
		end()
		end = f.start()
		if again := f.cluster(); again != first {
			t.Errorf("killed after %v: the cluster was %s and is %s", after, first, again)
		}
		end()
	}
}

// clusterOf is the beginning of an identity, as far as it names the cluster.
func clusterOf(identity []byte) []byte {
	_, rest, _ := bytes.Cut(identity, []byte(`"cluster"`))
	return rest[:min(len(rest), 40)]
}

// first is one metaserver that begins a cluster.
type first struct {
	t        *testing.T
	ctx      context.Context
	dir, log string
	// ports are its client, Raft and admin addresses.
	ports []string
}

func newFirst(t *testing.T, ctx context.Context) *first {
	t.Helper()
	f := &first{t: t, ctx: ctx, dir: t.TempDir(), log: filepath.Join(t.TempDir(), "log")}
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		f.ports = append(f.ports, l.Addr().String())
	}
	return f
}

func (f *first) identity() string { return filepath.Join(f.dir, "ashlar-meta.json") }

// start runs it; end kills it.
func (f *first) start() (end func()) {
	f.t.Helper()
	log, err := os.OpenFile(f.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	cmd := exec.CommandContext(f.ctx, binary, "metaserver", "--bootstrap", "--dir", f.dir, "--client-listen", f.ports[0], "--raft-listen", f.ports[1], "--admin-listen", f.ports[2])
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
	}
}

// cluster waits until it leads and tells its cluster.
func (f *first) cluster() (id protocol.ID) {
	f.t.Helper()
	a := admin.NewClient(protocol.ID{})
	defer a.Close()
	await(f.t, f.ctx, "the metaserver to lead", func() bool {
		h, err := a.Hello(f.ctx, f.ports[2])
		id = h.Cluster
		return err == nil && h.Leader != ""
	})
	return id
}
