package proxy_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/proxy"
)

// counted is a server that counts each body that it gets.
type counted struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *counted) of(body string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[body]
}

func serve(t *testing.T) (*counted, *proxy.Proxy) {
	t.Helper()
	c := &counted{seen: map[string]int{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		c.mu.Lock()
		c.seen[string(body)]++
		c.mu.Unlock()
		if len(r.TransferEncoding) > 0 {
			fmt.Fprintf(w, "chunks, ")
		}
		fmt.Fprintf(w, "got %s", body)
	}))
	t.Cleanup(s.Close)
	p, err := proxy.New("127.0.0.1:0", s.Listener.Addr().String(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return c, p
}

func post(p *proxy.Proxy, body string) (string, error) {
	answer, err := http.Post("http://"+p.Address(), "text/plain", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

func TestForwards(t *testing.T) {
	_, p := serve(t)
	for i := range 10 {
		body := strings.Repeat("body", i)
		if got, err := post(p, body); err != nil || got != "got "+body {
			t.Fatalf("%q, error %v", got, err)
		}
	}
}

// TestAnswerLost: the server has carried the request out, the client gets an
// error.
func TestAnswerLost(t *testing.T) {
	c, p := serve(t)
	p.LoseAnswers(1)
	if got, err := post(p, "x"); err == nil {
		t.Errorf("an answer arrived: %q", got)
	}
	if c.of("x") == 0 || p.Lost() == 0 {
		t.Errorf("the request arrived %d times, %d answers were lost", c.of("x"), p.Lost())
	}
	p.Heal()
	if _, err := post(p, "y"); err != nil {
		t.Error(err)
	}
}

// TestTwice: every second request arrives a second time, and later again.
func TestTwice(t *testing.T) {
	c, p := serve(t)
	p.SendTwice(2)
	p.Keep(1)
	for _, body := range []string{"a", "b"} {
		if _, err := post(p, body); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() bool { return c.of("b") == 2 })
	answers, err := p.Replay()
	if err != nil || len(answers) != 1 || string(answers[0]) != "got a" || c.of("a") != 2 {
		t.Errorf("answers %q, error %v; a arrived %d times", answers, err, c.of("a"))
	}
}

func TestDelay(t *testing.T) {
	_, p := serve(t)
	const delay = 50 * time.Millisecond
	p.Delay(delay, delay/10)
	began := time.Now()
	if _, err := post(p, "x"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 2*(delay-delay/10) {
		t.Errorf("there and back took %v", took)
	}
}

// TestReset: a connection that is cut ends with an error on the client's side.
func TestReset(t *testing.T) {
	_, p := serve(t)
	c, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		ended <- err
	}()
	eventually(t, func() bool {
		p.Reset()
		select {
		case err := <-ended:
			return err != nil
		default:
			return false
		}
	})
}

func eventually(t *testing.T, reached func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !reached(); {
		if time.Now().After(end) {
			t.Fatal("gave up waiting")
		}
		time.Sleep(10 * time.Millisecond)
	}
}
