package link

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/goleak"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ours = protocol.ID{1}
	mark = Mark{4, protocol.Version{Generation: 1, Counter: 9}, protocol.Hash{7}}
)

func start(t *testing.T, id string, tweak func(*Config)) *Layer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Listener: ln, Advertise: ln.Addr().String(), ID: id, Cluster: func() protocol.ID { return ours },
		Expect:  func(string) (string, bool) { return "", false },
		Removed: func(string) bool { return false }, Term: func() TermAnswer { return TermAnswer{7, 8, 9} },
		Mark:             func() (Mark, error) { return mark, nil },
		HandshakeTimeout: 10 * time.Second, Silence: 10 * time.Second, MaxConnections: 4, MaxCall: 1000, MaxInstall: 5000,
		Logger: slog.New(slog.DiscardHandler),
	}
	if tweak != nil {
		tweak(&cfg)
	}
	l := New(cfg)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func dial(t *testing.T, from, to *Layer) (net.Conn, error) {
	t.Helper()
	c, err := from.Stream().Dial(raft.ServerAddress(to.Addr().String()), 10*time.Second)
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

func TestRaftRoleCarriesBytes(t *testing.T) {
	a, b := start(t, "a", nil), start(t, "b", nil)
	c, err := dial(t, a, b)
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Stream().Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(s, got); err != nil || string(got) != "hello" {
		t.Fatalf("%q, %v", got, err)
	}
}

// A caller who stops within a call is hung up on; between calls it may be silent for
// as long as it likes.
func TestSilenceWithinACall(t *testing.T) {
	const silence = 20 * time.Millisecond
	a, b := start(t, "a", nil), start(t, "b", func(c *Config) { c.Silence = silence })
	c, err := dial(t, a, b)
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Stream().Accept()
	if err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 1)
	for range 3 {
		time.AfterFunc(4*silence, func() { _, _ = c.Write([]byte{1}) })
		if _, err := s.Read(one); err != nil {
			t.Fatalf("between calls: %v", err)
		}
		if _, err := s.Write(one); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, one); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Write(one); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(one); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(one); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("within a call: %v", err)
	}
	if _, err := c.Read(one); !errors.Is(err, io.EOF) {
		t.Fatalf("the silent caller is told %v", err)
	}
	if b.Connections() != 0 {
		t.Fatalf("%d connections are counted still", b.Connections())
	}
}

func TestMarkRoleAnswers(t *testing.T) {
	a, b := start(t, "a", nil), start(t, "b", nil)
	for range 2 {
		if got, err := a.AskMark(t.Context(), "b", b.Addr().String()); err != nil || got != mark {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if _, err := a.AskMark(t.Context(), "other", b.Addr().String()); protocol.KindOf(err) != protocol.Unavailable {
		t.Fatalf("another member answered: %v", err)
	}
	silent := start(t, "silent", func(c *Config) { c.Mark = func() (Mark, error) { return Mark{}, net.ErrClosed } })
	if _, err := a.AskMark(t.Context(), "silent", silent.Addr().String()); !errors.Is(err, io.EOF) {
		t.Fatalf("a member without an answer: %v", err)
	}
}

func TestTermRoleAnswers(t *testing.T) {
	a, b := start(t, "a", nil), start(t, "b", nil)
	c, err := a.DialTerm(t.Context(), "b", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		if got, err := c.Ask(10 * time.Second); err != nil || got != (TermAnswer{7, 8, 9}) {
			t.Fatalf("%+v, %v", got, err)
		}
	}
}

func TestForeignClusterIsRefused(t *testing.T) {
	other := func(cfg *Config) { cfg.Cluster = func() protocol.ID { return protocol.ID{2} } }
	none := func(cfg *Config) { cfg.Cluster = func() protocol.ID { return protocol.ID{} } }
	a := start(t, "a", nil)
	if _, err := dial(t, start(t, "foreign", other), a); protocol.KindOf(err) != protocol.WrongCluster {
		t.Fatalf("a foreign caller: %v", err)
	}
	if _, err := dial(t, a, start(t, "foreign", other)); protocol.KindOf(err) != protocol.WrongCluster {
		t.Fatalf("calling a foreign one: %v", err)
	}
	if _, err := dial(t, a, start(t, "new", none)); protocol.KindOf(err) != protocol.Unavailable {
		t.Fatalf("calling one without a cluster: %v", err)
	}
	if _, err := dial(t, start(t, "new", none), a); protocol.KindOf(err) != protocol.Unavailable {
		t.Fatalf("one without a cluster calls: %v", err)
	}
}

func TestTheLeaderTellsWhoWasRemoved(t *testing.T) {
	l := start(t, "leader", func(cfg *Config) { cfg.Removed = func(id string) bool { return id == "gone" } })
	if _, err := start(t, "gone", nil).DialTerm(t.Context(), "leader", l.Addr().String()); protocol.KindOf(err) != protocol.Removed {
		t.Fatalf("a removed member: %v", err)
	}
	if _, err := dial(t, start(t, "here", nil), l); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherMemberAtTheAddress(t *testing.T) {
	b := start(t, "b2", nil)
	a := start(t, "a", func(cfg *Config) {
		cfg.Expect = func(string) (string, bool) { return "b", true }
	})
	if _, err := dial(t, a, b); protocol.KindOf(err) != protocol.Unavailable {
		t.Fatalf("raft role: %v", err)
	}
	if _, err := a.DialTerm(t.Context(), "b", b.Addr().String()); protocol.KindOf(err) != protocol.Unavailable {
		t.Fatalf("term role: %v", err)
	}
}

// raw speaks to a layer by hand and returns what it answers until it hangs up.
func raw(t *testing.T, l *Layer, bytes []byte) []byte {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write(bytes)
	_ = c.(*net.TCPConn).CloseWrite()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	got, err := io.ReadAll(c)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Fatal("the layer did not hang up")
	}
	return got
}

func TestStrangersAreTurnedAway(t *testing.T) {
	l := start(t, "a", nil)
	hello := Hello{Role: RoleRaft, Cluster: ours, ID: "x"}
	format := hello.Append(nil)
	format[4] = 9
	role := Hello{Role: 9, Cluster: ours, ID: "x"}.Append(nil)
	if got := raw(t, l, []byte("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nand so on, up to the length of a hello, and beyond it: no answer")); len(got) != 0 {
		t.Fatalf("a browser was answered %q", got)
	}
	if got := raw(t, l, hello.Append(nil)[:40]); len(got) != 0 {
		t.Fatalf("half a hello was answered %q", got)
	}
	for name, b := range map[string][]byte{"format": format, "role": role} {
		if h, err := ParseHello(raw(t, l, b)); err != nil || h.Status != StatusUnsupported {
			t.Fatalf("another %s: %+v, %v", name, h, err)
		}
	}
}

func TestHandshakeHasADeadline(t *testing.T) {
	l := start(t, "a", func(cfg *Config) { cfg.HandshakeTimeout = time.Millisecond })
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("a silent caller: %v", err)
	}
}

func TestConnectionsHaveACap(t *testing.T) {
	l := start(t, "a", nil)
	a := start(t, "b", nil)
	for range 4 {
		if _, err := dial(t, a, l); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Stream().Accept(); err != nil {
			t.Fatal(err)
		}
	}
	if l.Connections() != 4 {
		t.Fatalf("%d connections", l.Connections())
	}
	if _, err := dial(t, a, l); err == nil {
		t.Fatal("a fifth connection was taken")
	}
	if l.Connections() != 4 {
		t.Fatalf("%d connections after a refusal", l.Connections())
	}
}

func TestAMutePortHangsUp(t *testing.T) {
	a, b := start(t, "a", nil), start(t, "b", nil)
	c, err := a.DialTerm(t.Context(), "b", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	unmute, again := b.Mute(), b.Mute()
	again()
	again()
	if _, err := c.Ask(10 * time.Second); err == nil {
		t.Fatal("a mute port answers")
	}
	if _, err := dial(t, a, b); err == nil {
		t.Fatal("a mute port takes calls")
	}
	if _, err := dial(t, b, a); err == nil {
		t.Fatal("a mute port calls")
	}
	unmute()
	if _, err := dial(t, a, b); err != nil {
		t.Fatal(err)
	}
}

// A view that is closed takes no connection away from the next one.
func TestStreamsFollowEachOther(t *testing.T) {
	a, b := start(t, "a", nil), start(t, "b", nil)
	old := b.Stream()
	if err := errors.Join(old.Close(), old.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
	if _, err := dial(t, a, b); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stream().Accept(); err != nil {
		t.Fatal(err)
	}
}

func TestACallHasACap(t *testing.T) {
	for _, c := range []struct {
		kind byte
		size int
		ok   bool
	}{{0, 1000, true}, {0, 1001, false}, {rpcInstallSnapshot, 5000, true}, {rpcInstallSnapshot, 5001, false}} {
		m := &meter{call: 1000, install: 5000}
		b := make([]byte, c.size)
		b[0] = c.kind
		err := m.read(b[:1])
		if err == nil {
			err = m.read(b[1:])
		}
		if (err == nil) != c.ok {
			t.Errorf("kind %d, %d bytes: %v", c.kind, c.size, err)
		}
	}
}

// A call above its cap ends the connection; answers start the count again.
func TestTheCapEndsTheConnection(t *testing.T) {
	a, b := start(t, "a", nil), start(t, "b", nil)
	c, err := dial(t, a, b)
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Stream().Accept()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, _ = c.Write(make([]byte, 800))
		if _, err := io.ReadFull(s, make([]byte, 800)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write([]byte("ok")); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = c.Write(make([]byte, 1500))
	if _, err := io.ReadFull(s, make([]byte, 1500)); protocol.KindOf(err) != protocol.TooLarge {
		t.Fatalf("%v", err)
	}
}

// The byte that opens an InstallSnapshot is raft's own and unexported: it is read
// off the wire here.
func TestInstallSnapshotsFirstByte(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan byte, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		b := make([]byte, 1)
		_, _ = io.ReadFull(c, b)
		first <- b[0]
		_ = c.Close()
	}()
	l := start(t, "a", func(cfg *Config) {
		cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}
	})
	trans := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{Stream: plain{l.Stream()}, MaxPool: 1, Timeout: 10 * time.Second})
	defer trans.Close()
	args := &raft.InstallSnapshotRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 3}}
	_ = trans.InstallSnapshot("x", raft.ServerAddress(ln.Addr().String()), args, &raft.InstallSnapshotResponse{}, new(empty))
	if got := <-first; got != rpcInstallSnapshot {
		t.Fatalf("InstallSnapshot begins with %d, not %d", got, rpcInstallSnapshot)
	}
	_ = ln.Close()
}

// plain dials without a handshake.
type plain struct{ *Stream }

func (p plain) Dial(a raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", string(a), timeout)
}

type empty struct{}

func (*empty) Read([]byte) (int, error) { return 0, io.EOF }
