package blockserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	n := startReady(t, func(c *Config) { c.Data = append(c.Data, store.Dir{Path: t.TempDir(), Capacity: 5 << 20}) })
	for i := range 10 {
		n.mustPut(noise(uint64(i), 1000))
	}
	a := n.do(http.MethodGet, protocol.PathStatus, nil, "Accept", protocol.TypeProtobuf)
	var got pb.BlockserverStatus
	if err := got.UnmarshalVT(a.body); err != nil {
		t.Fatal(err)
	}
	cluster := n.store.Cluster()
	if !got.GetRegistered() || got.GetNode() != 7 || got.GetIncarnation() != 3 || got.GetZone() != "z1" || !bytes.Equal(got.GetCluster(), cluster[:]) ||
		got.GetHighestSeen().GetCounter() != 50 || got.GetFreeSlots() != DefaultMaxMemory/protocol.DefaultBlockSize || len(got.GetDisks()) != 2 {
		t.Errorf("status: %v", &got)
	}
	var blocks, acks uint64
	for i, d := range got.GetDisks() {
		blocks += d.GetBlocks()
		acks += d.GetAcks()
		if int(d.GetNumber()) != i || len(d.GetDisk()) != 16 || d.GetPath() != n.cfg.Data[i].Path || d.GetCapacityBytes() == 0 || d.GetFailure() != "" {
			t.Errorf("disk: %v", d)
		}
	}
	if blocks != 10 || acks != 10 || got.GetDisks()[1].GetCapacityBytes() != 5<<20 {
		t.Errorf("%d blocks, %d acknowledgements, %v", blocks, acks, got.GetDisks()[1])
	}
	var byHand map[string]any
	if a := n.do(http.MethodGet, protocol.PathStatus, nil); json.Unmarshal(a.body, &byHand) != nil || byHand["registered"] != true {
		t.Errorf("by hand: %s", a.body)
	}
	for _, path := range []string{protocol.PathStatus, "/healthz", "/readyz", "/metrics"} {
		n.wantKind(n.do(http.MethodPost, path, nil), protocol.MethodNotAllowed)
	}
	n.wantKind(n.do(http.MethodGet, "/v1/other", nil), protocol.NotFound)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	path := n.mustPut(noise(1, 1000))
	n.do(http.MethodGet, path, nil)
	n.do(http.MethodGet, pathOf(nil), nil)
	a := n.do(http.MethodGet, "/metrics", nil)
	problems, err := promlint.New(bytes.NewReader(a.body)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`ashlar_blockserver_requests_total{outcome="ok",verb="put"} 1`, `ashlar_blockserver_requests_total{outcome="ok",verb="get"} 1`,
		`ashlar_blockserver_requests_total{outcome="not-found",verb="get"} 1`, "ashlar_blockserver_received_bytes_total 1000",
		"ashlar_blockserver_sent_bytes_total 1000", "ashlar_blockserver_registered 1", `ashlar_blockserver_disk_blocks{disk="0"} 1`,
		`ashlar_blockserver_disk_acknowledgements_total{disk="0"} 1`, "ashlar_blockserver_memory_limit_bytes 2.68435456e+08",
		`ashlar_blockserver_register_attempts_total{outcome="ok"} 1`, "ashlar_blockserver_memory_in_flight_bytes 0",
	} {
		if !strings.Contains(string(a.body), want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	for name := range families {
		if !strings.HasPrefix(name, "ashlar_blockserver_") && !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			t.Errorf("foreign name: %s", name)
		}
	}
}

// TestCloseDrains: a request that is under way when Close begins is answered.
func TestCloseDrains(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	plain := noise(14, 1<<20)
	conn := n.dial()
	if _, err := fmt.Fprintf(conn, "PUT %s%sContent-Length: %d\r\n\r\n%s", pathOf(plain), host, len(plain), plain[:1000000]); err != nil {
		t.Fatal(err)
	}
	if !eventually(func() bool { return n.memory.used.Load() > 0 }) {
		t.Fatal("not begun")
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		n.stop()
	}()
	if !eventually(func() bool {
		probe, err := http.Get("http://" + n.Addr() + "/healthz")
		if err == nil {
			_ = probe.Body.Close()
		}
		return err != nil
	}) {
		t.Error("still accepting")
	}
	if _, err := conn.Write(plain[1000000:]); err != nil {
		t.Fatal(err)
	}
	in, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(in), "HTTP/1.1 201") {
		t.Errorf("answered %.60q, %v", in, err)
	}
	<-closed
	if err := n.Wait(); err != nil {
		t.Error(err)
	}
}

// TestCloseCutsOff: Close does not wait for a sender that never ends.
func TestCloseCutsOff(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	conn := n.dial()
	if _, err := fmt.Fprintf(conn, "PUT %s%sContent-Length: 100000\r\n\r\n%s", pathOf(nil), host, make([]byte, 50000)); err != nil {
		t.Fatal(err)
	}
	if !eventually(func() bool { return n.memory.used.Load() > 0 }) {
		t.Fatal("not begun")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := n.Server
	if err := s.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v", err)
	}
	if used := s.memory.used.Load(); used != 0 {
		t.Errorf("%d bytes are still charged", used)
	}
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
	// The cleanup closes again and must get the same answer, so it is told apart.
	s.closeErr = nil
}
