package blockserver

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestPut(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	for _, size := range []int{0, 1, 3000, 64 << 10, 64<<10 + 1, protocol.DefaultBlockSize, protocol.DefaultBlockSize + 64<<10, 5 << 20, protocol.MaxBlockSize} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			plain := noise(uint64(size), size)
			a := n.do(http.MethodPut, pathOf(plain), plain, "Accept", protocol.TypeProtobuf, protocol.HeaderVersion, "1.99")
			if a.StatusCode != http.StatusCreated {
				t.Fatalf("%d %s", a.StatusCode, a.body)
			}
			var ack pb.Ack
			if err := ack.UnmarshalVT(a.body); err != nil {
				t.Fatal(err)
			}
			h := protocol.HashOf(plain)
			if !bytes.Equal(ack.GetHash(), h[:]) || ack.GetNode() != 7 || ack.GetIncarnation() != 3 || ack.GetAck() == 0 ||
				ack.GetVersion().GetCounter() != 99 || int(ack.GetPlainSize()) != size || ack.GetStoredSize() == 0 {
				t.Errorf("ack: %v", &ack)
			}
			for header, want := range map[string]string{
				protocol.HeaderVersion: "1.99", protocol.HeaderNode: "7", "Location": pathOf(plain), "ETag": `"` + h.String() + `"`,
				protocol.HeaderCluster: n.store.Cluster().String(),
			} {
				if got := a.Header.Get(header); got != want {
					t.Errorf("%s: %q, not %q", header, got, want)
				}
			}
			if got := n.do(http.MethodGet, pathOf(plain), nil); !bytes.Equal(got.body, plain) {
				t.Errorf("GET gave %d %d bytes", got.StatusCode, len(got.body))
			}
		})
	}
	n.wantNoLease()
}

func TestPutZstd(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	plain := bytes.Repeat([]byte("ashlar "), 100000)
	stored := compress(t, plain)
	for _, declared := range []string{"", strconv.Itoa(len(plain))} {
		headers := []string{"Content-Encoding", "zstd"}
		if declared != "" {
			headers = append(headers, protocol.HeaderPlainSize, declared)
		}
		if a := n.do(http.MethodPut, pathOf(plain), stored, headers...); a.StatusCode != http.StatusCreated {
			t.Fatalf("declared %q: %d %s", declared, a.StatusCode, a.body)
		}
	}
	if a := n.do(http.MethodGet, pathOf(plain), nil); !bytes.Equal(a.body, plain) {
		t.Errorf("GET: %d, %d bytes", a.StatusCode, len(a.body))
	}
}

func TestPutVersions(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	plain := []byte("versions")
	put := func(version string) string {
		t.Helper()
		headers := []string{}
		if version != "" {
			headers = []string{protocol.HeaderVersion, version}
		}
		a := n.do(http.MethodPut, pathOf(plain), plain, headers...)
		if a.StatusCode != http.StatusCreated {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		return a.Header.Get(protocol.HeaderVersion)
	}
	// By hand the version is the highest that the node has met: Register's answer.
	for _, step := range []struct{ sent, kept string }{{"", "1.50"}, {"1.60", "1.60"}, {"1.55", "1.60"}, {"", "1.60"}} {
		if got := put(step.sent); got != step.kept {
			t.Errorf("sent %q, kept %s, not %s", step.sent, got, step.kept)
		}
	}
}

func TestPutChunked(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	for _, size := range []int{10, 64 << 10, 200 << 10, 3 << 20} {
		plain := noise(1, size)
		req, err := http.NewRequest(http.MethodPut, "http://"+n.Addr()+pathOf(plain), io.MultiReader(bytes.NewReader(plain)))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := n.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusCreated {
			t.Errorf("%d chunked bytes: %d", size, resp.StatusCode)
		}
	}
	n.wantNoLease()
}

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	plain, other := []byte("right"), []byte("wrong")
	bomb := compress(t, make([]byte, 4<<20))
	hash := protocol.HashOf(plain).String()
	cases := []struct {
		name    string
		path    string
		body    []byte
		headers []string
		kind    protocol.Kind
	}{
		{"other bytes", pathOf(plain), other, nil, protocol.HashMismatch},
		{"other bytes in zstd", pathOf(plain), compress(t, other), []string{"Content-Encoding", "zstd"}, protocol.HashMismatch},
		{"not zstd", pathOf(plain), plain, []string{"Content-Encoding", "zstd"}, 0},
		{"bomb", pathOf(make([]byte, 4<<20)), bomb, []string{"Content-Encoding", "zstd", protocol.HeaderPlainSize, "1000"}, protocol.SizeExceeded},
		{"bomb of unknown size", pathOf(plain), compress(t, make([]byte, protocol.MaxBlockSize+1)), []string{"Content-Encoding", "zstd"}, protocol.SizeExceeded},
		{"too large", pathOf(plain), make([]byte, protocol.MaxBlockSize+1), nil, protocol.TooLarge},
		{"stored too large", pathOf(plain), make([]byte, protocol.MaxStoredSize+1), []string{"Content-Encoding", "zstd"}, protocol.TooLarge},
		{"gzip", pathOf(plain), plain, []string{"Content-Encoding", "gzip"}, protocol.Unsupported},
		{"two codings", pathOf(plain), plain, []string{"Content-Encoding", "zstd, zstd"}, protocol.Unsupported},
		{"version", pathOf(plain), plain, []string{protocol.HeaderVersion, "01.2"}, protocol.InvalidArgument},
		{"plain size", pathOf(plain), plain, []string{protocol.HeaderPlainSize, "+5"}, protocol.InvalidArgument},
		{"plain size too large", pathOf(plain), plain, []string{protocol.HeaderPlainSize, strconv.Itoa(protocol.MaxBlockSize + 1)}, protocol.TooLarge},
		{"foreign cluster", pathOf(plain), plain, []string{protocol.HeaderCluster, strings.Repeat("ab", 16)}, protocol.WrongCluster},
		{"upper case", "/v1/blocks/" + strings.ToUpper(hash), plain, nil, protocol.InvalidArgument},
		{"short", "/v1/blocks/" + hash[:63], plain, nil, protocol.InvalidArgument},
		{"long", "/v1/blocks/" + hash + "0", plain, nil, protocol.InvalidArgument},
		{"deeper", "/v1/blocks/" + hash + "/x", plain, nil, protocol.InvalidArgument},
		{"query", "/v1/blocks/" + hash + "?x=1", plain, nil, protocol.InvalidArgument},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := n.do(http.MethodPut, c.path, c.body, c.headers...)
			if c.kind != 0 {
				n.wantKind(a, c.kind)
			} else if a.StatusCode < 400 || a.StatusCode == 500 || a.kind() == "" {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
		})
	}
	n.wantEmpty()
}

func TestPutSameAtOnce(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	plain := noise(3, 300<<10)
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			version := fmt.Sprintf("1.%d", 100+i)
			a := n.do(http.MethodPut, pathOf(plain), plain, protocol.HeaderVersion, version)
			if a.StatusCode != http.StatusCreated {
				t.Errorf("%d %s", a.StatusCode, a.body)
				return
			}
			kept, err := protocol.ParseVersion(a.Header.Get(protocol.HeaderVersion))
			if err != nil || kept.Counter < uint64(100+i) {
				t.Errorf("sent %s, kept %v, %v", version, kept, err)
			}
		})
	}
	all.Wait()
	a := n.do(http.MethodGet, pathOf(plain), nil)
	if got := a.Header.Get(protocol.HeaderVersion); got != "1.123" || !bytes.Equal(a.body, plain) {
		t.Errorf("kept %s, %d bytes", got, len(a.body))
	}
	if disks := n.Status().GetDisks(); disks[0].GetBlocks() != 1 {
		t.Errorf("%d files", disks[0].GetBlocks())
	}
	n.wantNoLease()
}

func TestPutFull(t *testing.T) {
	t.Parallel()
	n := startReady(t, func(c *Config) { c.Data[0].Capacity = 1 << 20 })
	plain := noise(4, 2<<20)
	n.wantKind(n.do(http.MethodPut, pathOf(plain), plain), protocol.Full)
	n.wantEmpty()
}

func TestPost(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	plain := []byte("named by the server")
	a := n.do(http.MethodPost, protocol.PathBlocks, plain)
	if a.StatusCode != http.StatusCreated || a.Header.Get("Location") != pathOf(plain) || a.Header.Get("Content-Type") != protocol.TypeJSON {
		t.Fatalf("%d %v %s", a.StatusCode, a.Header, a.body)
	}
	if got := n.do(http.MethodGet, a.Header.Get("Location"), nil); !bytes.Equal(got.body, plain) {
		t.Errorf("GET: %q", got.body)
	}
	n.wantKind(n.do(http.MethodPost, protocol.PathBlocks, compress(t, plain), "Content-Encoding", "zstd"), protocol.Unsupported)
	n.wantKind(n.do(http.MethodPost, protocol.PathBlocks, make([]byte, protocol.MaxBlockSize+1)), protocol.TooLarge)
	n.wantKind(n.do(http.MethodGet, protocol.PathBlocks, nil), protocol.MethodNotAllowed)
	n.wantKind(n.do(http.MethodDelete, pathOf(plain), nil), protocol.MethodNotAllowed)
	n.wantNoLease()
}

// A version that no metaserver gave out is refused: its file could never be
// deleted, and the node would look as if the metadata had been rolled back.
func TestVersionNeverGivenOut(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	plain := []byte("poison")
	before := n.store.HighestSeen()
	for _, v := range []protocol.Version{{Generation: 1, Counter: latest + 1}, {Generation: 2}, {Generation: 1<<32 - 1, Counter: 1<<64 - 1}} {
		n.wantKind(n.do(http.MethodPut, pathOf(plain), plain, protocol.HeaderVersion, v.String()), protocol.InvalidArgument)
		n.wantKind(n.do(http.MethodPost, protocol.PathBlocks, plain, protocol.HeaderVersion, v.String()), protocol.InvalidArgument)
		h := protocol.HashOf(plain)
		_, a := n.touchAll(&pb.TouchRequest{Hashes: h[:], Version: versionOf(v)})
		n.wantKind(a, protocol.InvalidArgument)
	}
	n.wantEmpty()
	if got := n.store.HighestSeen(); got != before {
		t.Errorf("the node has met %s", got)
	}
	n.put(plain, protocol.Version{Generation: 1, Counter: latest}.String())
}
