package proxy

import (
	"io"
	"math/rand/v2"
	"time"
)

// lineLength bounds the pieces that are on their way in one direction.
const lineLength = 1024

// line is one direction of a connection, with a delay: pieces keep their order,
// and many are on their way at once.
type line struct {
	pieces chan piece
	broken chan struct{}
	done   chan struct{}
}

type piece struct {
	bytes []byte
	due   time.Time
}

func newLine(to io.Writer) *line {
	l := &line{pieces: make(chan piece, lineLength), broken: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for p := range l.pieces {
			if left := time.Until(p.due); left > 0 {
				time.Sleep(left)
			}
			if _, err := to.Write(p.bytes); err != nil {
				close(l.broken)
				return
			}
		}
	}()
	return l
}

// send puts b on its way; false means that the far end is gone.
func (l *line) send(b []byte, wait time.Duration) bool {
	select {
	case l.pieces <- piece{b, time.Now().Add(wait)}:
		return true
	case <-l.broken:
		return false
	}
}

// close waits until everything sent has arrived.
func (l *line) close() {
	close(l.pieces)
	<-l.done
}

// wait draws how long the next piece is held back.
func (p *Proxy) wait() time.Duration {
	d, spread := p.delay.Load(), p.spread.Load()
	if spread > 0 {
		d += rand.Int64N(2*spread+1) - spread
	}
	return time.Duration(max(d, 0))
}
