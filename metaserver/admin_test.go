package metaserver_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/seed-7d21a5b5/ashlar/metaserver/api/admin"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// curl does one request by hand and returns status and body.
func curl(t *testing.T, method, url, mediaType, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(out)
}

func testJSON(t *testing.T, g *group) {
	base := "http://" + g.leader().ClientAddr()
	status, body := curl(t, "POST", base+protocol.PathClusterStatus, protocol.TypeJSON, "{}")
	var st struct{ Members []any }
	if err := json.Unmarshal([]byte(body), &st); err != nil || status != 200 || len(st.Members) != 3 {
		t.Errorf("status as JSON: %d %s", status, body)
	}
	status, body = curl(t, "POST", base+protocol.PathLookup, protocol.TypeJSON, `{"bucket":"bucket","name":"missing"}`)
	if status != 404 || !strings.Contains(body, `"not-found"`) {
		t.Errorf("a missing object as JSON: %d %s", status, body)
	}
	status, body = curl(t, "POST", base+protocol.PathLookup, protocol.TypeJSON, `{"bucket":"bucket"`)
	if status != 400 || !strings.Contains(body, `"invalid-argument"`) {
		t.Errorf("torn JSON: %d %s", status, body)
	}
	status, body = curl(t, "POST", base+protocol.PathLookup, protocol.TypeJSON, `{}`, protocol.HeaderCluster, strings.Repeat("ab", 16))
	if status != 409 || !strings.Contains(body, `"wrong-cluster"`) {
		t.Errorf("a foreign cluster: %d %s", status, body)
	}
}

func testAdmin(t *testing.T, g *group) {
	base := "http://" + g.leader().AdminAddr()
	for _, tc := range []struct {
		method, path, body string
		status             int
		has                string
	}{
		{"GET", admin.PathHealth, "", 200, "ok"},
		{"GET", admin.PathReady, "", 200, "ready"},
		{"GET", admin.PathMetrics, "", 200, "ashlar_meta_raft_is_leader 1"},
		{"GET", admin.PathMetrics, "", 200, `ashlar_meta_requests_total{kind="ok",verb="commit"}`},
		{"GET", admin.PathProfiles + "goroutine?debug=1", "", 200, "goroutine profile"},
		{"GET", admin.PathHello, "", 200, g.leader().Cluster().String()},
		{"POST", admin.PathSnapshot, "", 200, g.leader().ID()},
		{"POST", admin.PathRecount, "{}", 200, `"drift":false,"broken":""`},
		{"POST", admin.PathHello, "", 405, `"method-not-allowed"`},
		{"GET", admin.PathTransfer, "", 405, `"method-not-allowed"`},
		{"GET", "/v1/nothing", "", 404, `"not-found"`},
		{"POST", admin.PathJoin, `{"cluster":"x"}`, 400, `"invalid-argument"`},
		{"POST", admin.PathJoin, `{} {}`, 400, `"invalid-argument"`},
		{"POST", admin.PathJoin, `{"id":"` + strings.Repeat("x", admin.MaxBody) + `"}`, 413, `"too-large"`},
		{"POST", admin.PathJoin, `{"id":"abc"}`, 400, `"invalid-argument"`},
		{"POST", admin.PathRemoveMember, `{}`, 400, `"invalid-argument"`},
	} {
		status, body := curl(t, tc.method, base+tc.path, protocol.TypeJSON, tc.body)
		if status != tc.status || !strings.Contains(body, tc.has) {
			t.Errorf("%s %s: %d %s", tc.method, tc.path, status, body)
		}
	}
	_, metrics := curl(t, "GET", base+admin.PathMetrics, "", "")
	problems, err := promlint.New(strings.NewReader(metrics)).Lint()
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "ashlar_") {
			t.Errorf("metric %s: %s", p.Metric, p.Text)
		}
	}
	if err != nil {
		t.Error(err)
	}
	status, body := curl(t, "GET", base+admin.PathHello, "", "", protocol.HeaderCluster, strings.Repeat("ab", 16))
	if status != 409 || !strings.Contains(body, `"wrong-cluster"`) {
		t.Errorf("a foreign cluster: %d %s", status, body)
	}
	status, body = curl(t, "POST", "http://"+g.followers()[0].AdminAddr()+admin.PathTransfer, "", "")
	if status != 421 || !strings.Contains(body, `"leader":"`+g.leader().AdminAddr()+`"`) {
		t.Errorf("a follower answers transfer with %d %s", status, body)
	}
}

func TestMembersComeAndGo(t *testing.T) {
	g := startGroup(t, 3, nil)
	c := admin.NewClient(g.leader().Cluster())
	defer c.Close()
	gone := g.followers()[0]
	i := slices.Index(g.servers, gone)
	g.eventually("the follower is removed", func() bool {
		return c.RemoveMember(g.context(), g.leader().AdminAddr(), gone.ID()) == nil
	})
	if err := gone.Wait(); protocol.KindOf(err) != protocol.Removed {
		t.Errorf("the removed server ends with %v", err)
	}
	if err := c.RemoveMember(g.context(), g.leader().AdminAddr(), gone.ID()); err != nil {
		t.Errorf("removing twice: %v", err)
	}
	g.stop(i)

	g.configs[i].Dir += "-anew"
	g.configs[i].Join = []string{g.leader().AdminAddr()}
	g.start(i)
	g.waitReady()
	if g.servers[i].ID() == gone.ID() {
		t.Error("a new folder is a new server")
	}
	if n := len(g.leader().Status().Members); n != 3 {
		t.Errorf("%d members after one came back anew", n)
	}

	old := g.leader()
	g.eventually("the leader hands over before it goes", func() bool {
		err := c.RemoveMember(g.context(), g.leader().AdminAddr(), old.ID())
		return err == nil
	})
	if err := old.Wait(); protocol.KindOf(err) != protocol.Removed {
		t.Errorf("the removed leader ends with %v", err)
	}
}

func TestRemovedWhileDown(t *testing.T) {
	g := startGroup(t, 3, nil)
	c := admin.NewClient(g.leader().Cluster())
	defer c.Close()
	gone := g.followers()[0]
	i := slices.Index(g.servers, gone)
	g.stop(i)
	g.eventually("the follower is removed", func() bool {
		return c.RemoveMember(g.context(), g.leader().AdminAddr(), gone.ID()) == nil
	})
	g.start(i)
	if err := g.servers[i].Wait(); protocol.KindOf(err) != protocol.Removed {
		t.Errorf("the removed server ends with %v", err)
	}
}
