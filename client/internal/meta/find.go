package meta

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// maxFinds bounds how often Find asks all: with the pauses between, some ten
// seconds where nobody listens.
const maxFinds = 18

// found is one endpoint's answer.
type found[PA any] struct {
	addr string
	ans  PA
	err  error
}

// Find asks every endpoint at once and takes the first answer, so that a server
// that hangs costs nothing at the beginning. It is for reads that any server may
// answer. The errors are those of Read.
func Find[A any, PA interface {
	*A
	rpc.Message
}](ctx context.Context, g *Group, path string, req rpc.Message) (PA, error) {
	var last error
	for n := range maxFinds {
		ans, err := findOnce[A, PA](ctx, g, path, req)
		if err == nil {
			return ans, nil
		}
		last = telling(last, err)
		if ctx.Err() != nil {
			return nil, gaveUp(ctx, path, last, false)
		}
		if !again(err) {
			return nil, err
		}
		g.cfg.Pause(ctx, backoff(n))
	}
	return nil, protocol.Errorf(protocol.Unavailable, "%s: gave up after asking all %d times: %w", path, maxFinds, last)
}

func findOnce[A any, PA interface {
	*A
	rpc.Message
}](ctx context.Context, g *Group, path string, req rpc.Message) (PA, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	endpoints := g.Endpoints()
	results := make(chan found[PA], len(endpoints))
	for _, addr := range endpoints {
		go func() {
			ans := PA(new(A))
			err := g.attempt(ctx, g.cfg.AttemptTimeout, addr, path, req, ans)
			results <- found[PA]{addr, ans, err}
		}()
	}
	var last error
	var winner PA
	for range endpoints {
		switch r := <-results; {
		case winner != nil:
		case r.err == nil:
			winner = r.ans
			g.answered(r.addr, r.ans)
			cancel()
		case last == nil || !again(r.err):
			last = r.err
		}
	}
	if winner != nil {
		return winner, nil
	}
	return nil, last
}
