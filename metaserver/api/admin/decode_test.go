package admin

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"id":"a","client_address":"127.0.0.1:1","raft_address":"127.0.0.1:2","admin_address":"127.0.0.1:3","feature_level":1}`))
	f.Add([]byte(``))
	f.Add([]byte(`{}{}`))
	f.Add([]byte(`{"unknown":1}`))
	f.Add([]byte(`{"feature_level":-1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var m Member
		req := httptest.NewRequest(http.MethodPost, PathJoin, bytes.NewReader(body))
		err := decode(httptest.NewRecorder(), req, &m)
		switch protocol.KindOf(err) {
		case 0:
			if len(bytes.TrimSpace(body)) > 0 && !json.Valid(body) {
				t.Errorf("accepted %q", body)
			}
		case protocol.InvalidArgument, protocol.TooLarge:
		default:
			t.Errorf("%q: %v", body, err)
		}
	})
}

func TestClientSaysWhatIsKnown(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	answers := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case PathJoin:
			e := protocol.Errorf(protocol.NotLeader, "ask another")
			e.Leader = "127.0.0.1:9"
			fail(w, e)
		case PathTransfer:
			panic(http.ErrAbortHandler)
		case PathSnapshot:
			plain(w, 500, "what")
		case PathRemoveMember:
			plain(w, 200, strings.Repeat("x", maxAnswer+1))
		}
	}))
	defer answers.Close()
	addr := strings.TrimPrefix(answers.URL, "http://")
	c := NewClient(protocol.ID{})
	defer c.Close()
	joined := c.Join(t.Context(), addr, Member{})
	if e := protocol.AsError(joined); e == nil || e.Kind != protocol.NotLeader || e.Leader != "127.0.0.1:9" {
		t.Errorf("not-leader arrives as %v", joined)
	}
	for _, tc := range []struct {
		name string
		err  error
		kind protocol.Kind
	}{
		{"nobody listens", c.Transfer(t.Context(), closed.Addr().String()), protocol.Unavailable},
		{"cut before the answer", c.Transfer(t.Context(), addr), protocol.UnknownOutcome},
		{"no problem body", c.Snapshot(t.Context(), addr), protocol.Internal},
		{"an answer without end", c.RemoveMember(t.Context(), addr, "x"), protocol.TooLarge},
		{"no address", c.Transfer(t.Context(), "\x00"), protocol.InvalidArgument},
	} {
		if protocol.KindOf(tc.err) != tc.kind {
			t.Errorf("%s: %v, want %v", tc.name, tc.err, tc.kind)
		}
	}
}
