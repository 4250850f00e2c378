package blockserver

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func TestGetHeaders(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	plain := noise(5, 1000)
	path := n.mustPut(plain)
	tag := `"` + protocol.HashOf(plain).String() + `"`
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		a := n.do(method, path, nil)
		for header, want := range map[string]string{
			"Content-Length": "1000", "Content-Type": protocol.TypeBytes, "ETag": tag, "Accept-Ranges": "bytes", "Content-Encoding": "",
			"Vary": "Accept-Encoding", protocol.HeaderVersion: "1.50", protocol.HeaderPlainSize: "1000", protocol.HeaderNode: "7",
		} {
			if got := a.Header.Get(header); got != want {
				t.Errorf("%s %s: %q, not %q", method, header, got, want)
			}
		}
		if a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", method, a.StatusCode)
		}
	}
	if a := n.do(http.MethodGet, path, nil, "If-None-Match", tag); a.StatusCode != http.StatusNotModified || len(a.body) != 0 {
		t.Errorf("If-None-Match: %d, %d bytes", a.StatusCode, len(a.body))
	}
	if a := n.do(http.MethodHead, path, nil, "If-None-Match", `"x", W/`+tag); a.StatusCode != http.StatusNotModified {
		t.Errorf("HEAD If-None-Match: %d", a.StatusCode)
	}
	n.wantNoLease()
}

func TestGetRanges(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	plain := noise(6, 1000)
	path := n.mustPut(plain)
	empty := n.mustPut(nil)
	tag := `"` + protocol.HashOf(plain).String() + `"`
	cases := []struct {
		path, span, condition string
		status                int
		want                  []byte
		contentRange          string
	}{
		{path, "bytes=0-0", "", 206, plain[:1], "bytes 0-0/1000"},
		{path, "bytes=0-999", "", 206, plain, "bytes 0-999/1000"},
		{path, "bytes=10-19", "", 206, plain[10:20], "bytes 10-19/1000"},
		{path, "bytes=990-", "", 206, plain[990:], "bytes 990-999/1000"},
		{path, "bytes=990-99999999999999999999", "", 206, plain[990:], "bytes 990-999/1000"},
		{path, "bytes=-1", "", 206, plain[999:], "bytes 999-999/1000"},
		{path, "bytes=-2000", "", 206, plain, "bytes 0-999/1000"},
		{path, "bytes=1000-", "", 416, nil, "bytes */1000"},
		{path, "bytes=18446744073709551616-", "", 416, nil, "bytes */1000"},
		{path, "bytes=-0", "", 416, nil, "bytes */1000"},
		{empty, "bytes=0-", "", 416, nil, "bytes */0"},
		{empty, "bytes=-1", "", 416, nil, "bytes */0"},
		{path, "bytes=5-4", "", 200, plain, ""},
		{path, "bytes=0-1,5-6", "", 200, plain, ""},
		{path, "bytes=a-b", "", 200, plain, ""},
		{path, "bytes=--1", "", 200, plain, ""},
		{path, "bytes=-", "", 200, plain, ""},
		{path, "lines=0-1", "", 200, plain, ""},
		{path, "bytes=0-1", tag, 206, plain[:2], "bytes 0-1/1000"},
		{path, "bytes=0-1", `"other"`, 200, plain, ""},
		{path, "bytes=0-1", "W/" + tag, 200, plain, ""},
	}
	for _, c := range cases {
		headers := []string{"Range", c.span, "Accept-Encoding", "zstd"}
		if c.condition != "" {
			headers = append(headers, "If-Range", c.condition)
		}
		a := n.do(http.MethodGet, c.path, nil, headers...)
		if a.StatusCode != c.status || a.Header.Get("Content-Range") != c.contentRange {
			t.Errorf("%s: %d %q", c.span, a.StatusCode, a.Header.Get("Content-Range"))
		}
		switch {
		case c.status == 416:
			n.wantKind(a, protocol.RangeInvalid)
		case a.Header.Get("Content-Encoding") == "zstd":
			if c.status == 206 || !bytes.Equal(expand(t, a.body), c.want) {
				t.Errorf("%s: zstd with status %d", c.span, c.status)
			}
		case !bytes.Equal(a.body, c.want):
			t.Errorf("%s: %d bytes, not %d", c.span, len(a.body), len(c.want))
		}
	}
	n.wantNoLease()
}

func TestGetZstd(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	for _, plain := range [][]byte{noise(7, 1<<20), bytes.Repeat([]byte("text "), 50000), nil} {
		path := n.mustPut(plain)
		a := n.do(http.MethodGet, path, nil, "Accept-Encoding", "gzip, zstd;q=0.5")
		if a.StatusCode != http.StatusOK || a.Header.Get("Content-Encoding") != "zstd" || a.Header.Get(protocol.HeaderPlainSize) != strconv.Itoa(len(plain)) {
			t.Fatalf("%d %v", a.StatusCode, a.Header)
		}
		if tag := `W/"` + protocol.HashOf(plain).String() + `"`; a.Header.Get("ETag") != tag {
			t.Errorf("ETag %s", a.Header.Get("ETag"))
		}
		if !bytes.Equal(expand(t, a.body), plain) {
			t.Error("other bytes")
		}
		head := n.do(http.MethodHead, path, nil, "Accept-Encoding", "zstd")
		if head.Header.Get("Content-Length") != strconv.Itoa(len(a.body)) || head.Header.Get("Content-Encoding") != "zstd" {
			t.Errorf("HEAD says %s, GET gave %d", head.Header.Get("Content-Length"), len(a.body))
		}
		if a := n.do(http.MethodGet, path, nil, "Accept-Encoding", "zstd;q=0, *"); !bytes.Equal(a.body, plain) {
			t.Error("zstd was forbidden and came")
		}
	}
	n.wantNoLease()
}

func TestGetAbsent(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		if a := n.do(method, pathOf([]byte("absent")), nil); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", method, a.StatusCode)
		}
	}
	n.wantKind(n.do(http.MethodGet, pathOf([]byte("absent")), nil), protocol.NotFound)
}

// blockFile finds the one file of a block below the node's folder.
func blockFile(t *testing.T, dir string, plain []byte) string {
	t.Helper()
	h := protocol.HashOf(plain).String()
	path := filepath.Join(dir, "data", h[:2], h[2:4], h)
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestGetCorrupt(t *testing.T) {
	t.Parallel()
	var dir string
	n := startReady(t, func(c *Config) { dir = c.Data[0].Path })
	plain := noise(8, 100<<10)
	path := n.mustPut(plain)
	file := blockFile(t, dir, plain)
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-1000] ^= 1
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	a := n.do(http.MethodGet, path, nil, "Range", "bytes=0-9")
	n.wantKind(a, protocol.Quarantined)
	if bytes.Contains(a.body, plain[:10]) {
		t.Error("a byte of a bad copy left")
	}
	a = n.do(http.MethodGet, path, nil)
	n.wantKind(a, protocol.Quarantined)
	if !strings.Contains(string(a.body), "detail") {
		t.Errorf("no cause: %s", a.body)
	}
	if a := n.do(http.MethodHead, path, nil); a.StatusCode != http.StatusGone {
		t.Errorf("HEAD: %d", a.StatusCode)
	}
	if n.Status().GetDisks()[0].GetQuarantined() != 1 {
		t.Errorf("status: %v", n.Status())
	}
	n.mustPut(plain)
	if a := n.do(http.MethodGet, path, nil); !bytes.Equal(a.body, plain) {
		t.Errorf("after a new PUT: %d", a.StatusCode)
	}
	n.wantNoLease()
}
