package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// maxRequest bounds a request that is taken apart; a longer one ends its
	// connection.
	maxRequest = 64 << 20
	// replayTimeout bounds the exchange of a request that is sent again.
	replayTimeout = 30 * time.Second
)

// Keep remembers the next n requests, for Replay. They are forwarded as well.
func (p *Proxy) Keep(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep, p.kept = n, nil
}

// Kept returns how many requests are remembered.
func (p *Proxy) Kept() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.kept)
}

// Replay sends the remembered requests to the server again, in their order, as
// copies that the network had held back, and returns the answers' bodies.
func (p *Proxy) Replay() ([][]byte, error) {
	p.mu.Lock()
	kept := p.kept
	p.mu.Unlock()
	var answers [][]byte
	for _, raw := range kept {
		body, err := p.exchange(raw)
		if err != nil {
			return answers, err
		}
		answers = append(answers, body)
	}
	return answers, nil
}

// copyRequests forwards one request after the other.
func (p *Proxy) copyRequests(server io.Writer, client io.Reader) {
	line := newLine(server)
	defer line.close()
	in := bufio.NewReader(io.LimitReader(client, 1<<40))
	for {
		raw, err := next(in)
		if err != nil {
			return
		}
		p.remember(raw)
		if n, every := p.requests.Add(1), p.twiceEvery.Load(); every > 0 && n%every == 0 {
			p.doubled.Add(1)
			p.group.Go(func() { _, _ = p.exchange(raw) })
		}
		if !line.send(raw, p.wait()) {
			return
		}
	}
}

// next reads one request and returns it in wire form.
func next(in *bufio.Reader) ([]byte, error) {
	req, err := http.ReadRequest(in)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(req.Body, maxRequest+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxRequest {
		return nil, io.ErrShortBuffer
	}
	req.ContentLength, req.TransferEncoding = int64(len(body)), nil
	req.Body = http.NoBody
	if len(body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	if _, named := req.Header["User-Agent"]; !named {
		// Else Write would name one.
		req.Header["User-Agent"] = []string{""}
	}
	var raw bytes.Buffer
	err = req.Write(&raw)
	return raw.Bytes(), err
}

func (p *Proxy) remember(raw []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) < p.keep {
		p.kept = append(p.kept, raw)
	}
}

// exchange sends raw over a connection of its own and reads the answer.
func (p *Proxy) exchange(raw []byte) ([]byte, error) {
	server, err := net.DialTimeout("tcp", p.to, dialTimeout)
	if err != nil {
		return nil, err
	}
	if !p.track(server) {
		return nil, net.ErrClosed
	}
	defer p.untrack(server)
	if err := server.SetDeadline(time.Now().Add(replayTimeout)); err != nil {
		return nil, err
	}
	if _, err := server.Write(raw); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(server), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	return io.ReadAll(answer.Body)
}
