package rpc

import (
	"bytes"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// badTargets are request targets that no server of ours may route anywhere.
var badTargets = []string{
	"", "*", "v1/status", "http://127.0.0.1/v1/status", "//v1/status", "/v1//status", "/v1/status//",
	"/v1/../status", "/v1/blocks/..", "/v1/./status", "/v1/.hidden", "/v1/a..b",
	"/v1/blocks/..%2f..%2fetc%2fpasswd", "/v1/%2e%2e/status", "/v1/status%00", "/v1/%252e", "/v1/%73tatus",
	"/v1\\status", "/v1/blocks\\..\\x", "/v1/status\x00", "/v1/sta\ttus", "/v1/st\x7f", "/v1/st\xc3\xa9", "/v1/status#top",
	"/v1/status;x=1", "/v1/a b", "/v1/status?a=b#c", "/v1/status?a=\\", "/v1/status?a=\x01", "/v1/status?\xff",
	"/" + strings.Repeat("a", MaxPath),
}

func TestRawPath(t *testing.T) {
	for target, want := range map[string][2]string{
		"/":                      {"/", ""},
		"/v1/status":             {"/v1/status", ""},
		"/v1/status/":            {"/v1/status/", ""},
		"/v1/inventory?after=ab": {"/v1/inventory", "after=ab"},
		"/v1/x?a=%2e%2e/..//":    {"/v1/x", "a=%2e%2e/..//"},
		"/v1/x??":                {"/v1/x", "?"},
		"/v1/a.b-c_d~e":          {"/v1/a.b-c_d~e", ""},
	} {
		p, q, err := splitTarget([]byte(target))
		if err != nil || string(p) != want[0] || string(q) != want[1] {
			t.Errorf("splitTarget(%q) = %q, %q, %v", target, p, q, err)
		}
	}
	for _, target := range badTargets {
		if p, _, err := splitTarget([]byte(target)); err == nil {
			t.Errorf("splitTarget(%q) accepts the path %q", target, p)
		}
	}
}

func FuzzTarget(f *testing.F) {
	f.Add([]byte("/v1/blocks/00?x=y"))
	for _, target := range badTargets {
		f.Add([]byte(target))
	}
	f.Fuzz(func(t *testing.T, target []byte) {
		p, q, err := splitTarget(target)
		if err != nil {
			if k := protocol.KindOf(err); k != protocol.InvalidArgument && k != protocol.TooLarge {
				t.Fatalf("splitTarget(%q): %v", target, err)
			}
			return
		}
		whole := p
		if bytes.IndexByte(target, '?') >= 0 {
			whole = append(append(bytes.Clone(p), '?'), q...)
		}
		if !bytes.Equal(whole, target) {
			t.Fatalf("splitTarget(%q) loses bytes: %q and %q", target, p, q)
		}
		if clean := path.Clean(string(p)); clean != string(p) && clean+"/" != string(p) {
			t.Fatalf("path %q means %q to others", p, clean)
		}
		if un, err := url.PathUnescape(string(p)); err != nil || un != string(p) {
			t.Fatalf("path %q decodes to %q, %v", p, un, err)
		}
	})
}

func TestRoutesFindTheLongestPrefix(t *testing.T) {
	r := routes{exact: map[string]*route{}}
	root, blocks, list, deep := &route{}, &route{}, &route{}, &route{}
	r.add("/", root)
	r.add("/v1/blocks", list)
	r.add("/v1/blocks/", blocks)
	r.add("/v1/blocks/deep/", deep)
	for p, want := range map[string]*route{
		"/": root, "/x": root, "/v1/blocks": list, "/v1/blocks/": blocks, "/v1/blocks/00": blocks, "/v1/blocks/deep": blocks, "/v1/blocks/deep/x": deep, "/v1/blocksx": root,
	} {
		if r.find([]byte(p)) != want {
			t.Errorf("%s leads elsewhere", p)
		}
	}
	if (&routes{}).find([]byte("/")) != nil {
		t.Error("a route from nowhere")
	}
}

func TestCheckRequestID(t *testing.T) {
	for _, good := range []string{"", "a", "00ff-12", strings.Repeat("~", protocol.MaxRequestID)} {
		if err := checkRequestID([]byte(good)); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{" ", "a b", "a\x1b[2J", "\x7f", "é", strings.Repeat("a", protocol.MaxRequestID+1)} {
		if err := checkRequestID([]byte(bad)); protocol.KindOf(err) != protocol.InvalidArgument {
			t.Errorf("%q: %v, want invalid-argument", bad, err)
		}
	}
	ids := newRequestIDs()
	first, second := ids.next(), ids.next()
	if bytes.Equal(first, second) || checkRequestID(first) != nil || len(first) < 18 {
		t.Errorf("made ids %q and %q", first, second)
	}
}
