package terminal

import (
	"fmt"
	"sync"
)

// Count shows how many things are done so far where nobody knows how many there
// are, or does nothing where there is no terminal. It is safe for concurrent use.
type Count struct {
	screen *Screen
	label  string

	mu   sync.Mutex
	live bool
}

// Count starts to show a number.
func (s *Screen) Count(label string) *Count {
	return &Count{screen: s, label: label, live: s.Live && !s.JSON}
}

// Set shows n in place of the number before.
func (c *Count) Set(n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live {
		c.screen.over(fmt.Sprintf("\r\x1b[K%s: %d so far", c.label, n))
	}
}

// Done takes the number away.
func (c *Count) Done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live {
		c.screen.over("\r\x1b[K")
		c.live = false
	}
}

// over writes to the terminal itself, without a new line.
func (s *Screen) over(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprint(s.Err, text)
}
