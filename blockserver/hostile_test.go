package blockserver

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// dial opens a plain connection, closed when the test ends.
func (n *node) dial() *net.TCPConn {
	n.t.Helper()
	conn, err := net.Dial("tcp", n.Addr())
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		n.t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// say writes text, ends that direction, and returns all answers to it.
func (n *node) say(text string) []answer {
	n.t.Helper()
	conn := n.dial()
	// What was refused early may not be read to its end.
	_, _ = conn.Write([]byte(text))
	_ = conn.CloseWrite()
	var out []answer
	in := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return out
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			n.t.Errorf("an answer broke off: %v", err)
		}
		out = append(out, answer{resp, body})
	}
}

// wantOne fails unless text gets exactly one answer, of that kind.
func (n *node) wantOne(text string, kind protocol.Kind) {
	n.t.Helper()
	answers := n.say(text)
	if len(answers) != 1 {
		n.t.Errorf("%d answers to %.60q", len(answers), text)
		return
	}
	n.wantKind(answers[0], kind)
}

const host = " HTTP/1.1\r\nHost: x\r\n"

func TestHostilePaths(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	plain := "plain"
	h := protocol.HashOf([]byte(plain)).String()
	for _, target := range []string{
		"/v1/blocks/..%2f..%2f..%2fetc%2fpasswd", "/v1/blocks/../../etc/passwd", "/v1/blocks/./" + h, "/v1/blocks//" + h,
		"/v1/blocks/" + strings.ToUpper(h), "/v1/blocks/" + h[:63], "/v1/blocks/" + h + "0", "/v1/blocks/" + h[:63] + "g",
		"/v1/blocks/" + h + "%00", "/v1/blocks/%61" + h[1:], "/v1/blocks/" + h + "/", "/v1/blocks/" + h + "#x", "/v1/blocks/" + h + "?x",
		"/v1/blocks\\" + h, "/v1/blocks/" + h + "\x00", "/v1/blocks/", "v1/blocks/" + h, "http://x/v1/blocks/" + h, "*",
		"/v1/blocks/" + strings.Repeat("a", 8000),
	} {
		for _, method := range []string{"PUT", "GET"} {
			answers := n.say(method + " " + target + host + "Content-Length: 5\r\n\r\n" + plain)
			if len(answers) != 1 || answers[0].StatusCode < 400 || answers[0].StatusCode >= 500 || answers[0].kind() == "" {
				t.Errorf("%s %.80q: %d answers, %v", method, target, len(answers), answers)
			}
		}
	}
	n.wantEmpty()
}

func TestHostileFraming(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	plain := strings.Repeat("0123456789", 10000)
	put := "PUT " + pathOf([]byte(plain)) + host
	cases := []struct {
		name, text string
		kind       protocol.Kind
	}{
		{"short body", put + "Content-Length: 100000\r\n\r\n" + plain[:99999], protocol.ShortBody},
		{"very short body", put + "Content-Length: 100000\r\n\r\n" + plain[:10], protocol.ShortBody},
		{"no body", put + "Content-Length: 100000\r\n\r\n", protocol.ShortBody},
		{"huge length", put + "Content-Length: 1099511627776\r\n\r\n" + plain, protocol.TooLarge},
		{"length beyond any number", put + "Content-Length: 99999999999999999999999\r\n\r\n" + plain, protocol.InvalidArgument},
		{"negative length", put + "Content-Length: -1\r\n\r\n" + plain, protocol.InvalidArgument},
		{"two lengths", put + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + plain[:6], protocol.InvalidArgument},
		{"length and chunks", put + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", protocol.InvalidArgument},
		{"chunk broken off", put + "Transfer-Encoding: chunked\r\n\r\nfff\r\nabc", protocol.ShortBody},
		{"chunk size not hex", put + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n", protocol.ShortBody},
		{"chunk without its end", put + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef", protocol.ShortBody},
		{"chunks end between two", put + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", protocol.HashMismatch},
		{"POST in chunks", "POST /v1/blocks" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", protocol.InvalidArgument},
		{"POST broken off", "POST /v1/blocks" + host + "Content-Length: 10\r\n\r\nabc", protocol.ShortBody},
		{"GET with a body", "GET " + pathOf([]byte(plain)) + host + "Content-Length: 3\r\n\r\nabc", protocol.InvalidArgument},
		{"no request", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", protocol.InvalidArgument},
		{"endless header", "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 64<<10), protocol.TooLarge},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := &node{n.Server, t, n.http}
			n.wantOne(c.text, c.kind)
			n.wantEmpty()
		})
	}
}

// TestHostileChunksOverLimit sends more chunks than a block may have.
func TestHostileChunksOverLimit(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	conn := n.dial()
	go func() {
		_, _ = fmt.Fprintf(conn, "PUT %s%sContent-Encoding: zstd\r\nTransfer-Encoding: chunked\r\n\r\n", pathOf(nil), host)
		chunk := append(append([]byte("100000\r\n"), make([]byte, 1<<20)...), "\r\n"...)
		for range protocol.MaxStoredSize>>20 + 2 {
			if _, err := conn.Write(chunk); err != nil {
				return
			}
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	n.wantKind(answer{resp, body}, protocol.TooLarge)
	n.wantEmpty()
}

// TestOneRequest: what is left of a refused body is never taken for a request.
func TestOneRequest(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	smuggled := "GET /v1/status" + host + "\r\n"
	body := strings.Repeat(smuggled, 20000)
	path := pathOf([]byte(body))
	for name, headers := range map[string]string{
		"version":  protocol.HeaderVersion + ": nonsense\r\n",
		"encoding": "Content-Encoding: br\r\n",
		"cluster":  protocol.HeaderCluster + ": " + strings.Repeat("ab", 16) + "\r\n",
		"id":       protocol.HeaderRequest + ": " + strings.Repeat("x", 100) + "\r\n",
	} {
		answers := n.say(fmt.Sprintf("PUT %s%s%sContent-Length: %d\r\n\r\n%s", path, host, headers, len(body), body))
		if len(answers) != 1 || answers[0].StatusCode < 400 {
			t.Errorf("%s: %d answers", name, len(answers))
		}
	}
	answers := n.say(fmt.Sprintf("PUT %s%sContent-Length: %d\r\n\r\n%s", path, host, len(body)-len(smuggled), body))
	if len(answers) != 2 || answers[0].StatusCode != http.StatusUnprocessableEntity || answers[1].StatusCode != http.StatusOK {
		t.Errorf("a length that is too short: %d answers", len(answers))
	}
	n.wantEmpty()
}

func TestPipelined(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	plain := noise(10, 200<<10)
	path := n.mustPut(plain)
	answers := n.say(strings.Repeat("GET "+path+host+"\r\n", 5) + "GET " + path + host + "Connection: close\r\n\r\n")
	if len(answers) != 6 {
		t.Fatalf("%d answers", len(answers))
	}
	for _, a := range answers {
		if a.StatusCode != http.StatusOK || !bytes.Equal(a.body, plain) {
			t.Errorf("%d, %d bytes", a.StatusCode, len(a.body))
		}
	}
	n.wantNoLease()
}

// TestBusyAtMemoryLimit holds all memory with bodies that stop in the middle.
func TestBusyAtMemoryLimit(t *testing.T) {
	t.Parallel()
	n := startReady(t, func(c *Config) { c.MaxMemory = MinMaxMemory })
	plain := noise(11, 1<<20)
	read := n.mustPut(plain)
	var held []*net.TCPConn
	for i := 0; n.memory.used.Load() < MinMaxMemory-5<<20; i++ {
		if i > 100 {
			t.Fatalf("%d stopped bodies hold %d bytes", i, n.memory.used.Load())
		}
		before := n.memory.used.Load()
		conn := n.dial()
		held = append(held, conn)
		if _, err := fmt.Fprintf(conn, "PUT %s%sContent-Length: 3000000\r\n\r\n%s", pathOf(nil), host, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		if !eventually(func() bool { return n.memory.used.Load() > before }) {
			t.Fatal("a body that is being read is not charged")
		}
	}
	big := noise(12, 8<<20)
	n.wantKind(n.do(http.MethodPut, pathOf(big), big), protocol.Busy)
	n.wantKind(n.do(http.MethodPost, protocol.PathBlocks, big), protocol.Busy)
	if a := n.do(http.MethodGet, read, nil); a.StatusCode != http.StatusOK && a.kind() != "busy" {
		t.Errorf("GET: %d %s", a.StatusCode, a.kind())
	}
	if used := n.memory.used.Load(); used > MinMaxMemory {
		t.Errorf("%d bytes in flight", used)
	}
	for _, conn := range held {
		_ = conn.Close()
	}
	n.wantNoLease()
	n.mustPut(big)
}

// TestPromisesCostLittle: a length that was declared and not sent holds the
// first buffer only.
func TestPromisesCostLittle(t *testing.T) {
	t.Parallel()
	zstd := fmt.Sprintf("Content-Encoding: zstd\r\nContent-Length: %d\r\n", protocol.MaxStoredSize)
	plain := fmt.Sprintf("Content-Length: %d\r\n", protocol.MaxBlockSize)
	for _, request := range []string{
		"PUT " + pathOf(nil) + host + protocol.HeaderPlainSize + ": 10\r\n" + zstd,
		"PUT " + pathOf(nil) + host + zstd,
		"PUT " + pathOf(nil) + host + plain,
		"POST " + protocol.PathBlocks + host + plain,
	} {
		n := startReady(t)
		conn := n.dial()
		// fasthttp hands the request over when 8 KiB of the body are there.
		if _, err := fmt.Fprintf(conn, "%s\r\n%s", request, make([]byte, 16<<10)); err != nil {
			t.Fatal(err)
		}
		if !eventually(func() bool { return n.memory.used.Load() > 0 }) {
			t.Fatal("not charged")
		}
		if used := n.memory.used.Load(); used > int64(leaseSizes[1]) {
			t.Errorf("%d bytes are charged for 16 KiB that came after %q", used, request)
		}
		_ = conn.Close()
		n.wantEmpty()
	}
}

// TestReaderGoneReleasesMemory: a connection that ends in the middle of an
// answer gives its memory back.
func TestReaderGoneReleasesMemory(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	plain := noise(13, protocol.MaxBlockSize)
	path := n.mustPut(plain)
	for _, coding := range []string{"identity", "zstd"} {
		conn := n.dial()
		if _, err := fmt.Fprintf(conn, "GET %s%sAccept-Encoding: %s\r\n\r\n", path, host, coding); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if n.memory.used.Load() == 0 {
			t.Error("an answer being sent is not charged")
		}
		_ = conn.SetLinger(0)
		_ = conn.Close()
		n.wantNoLease()
	}
}
