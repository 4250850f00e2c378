package torture

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

const (
	bucket = "torture"
	// keysPerPrefix and prefixesAtOnce are how narrow the clients' room is.
	keysPerPrefix  = 4
	prefixesAtOnce = 3
	// prefixLife is after how many operations a prefix is left for a new one, so
	// that no history becomes too long to judge.
	prefixLife = 250
)

// keys is the clients' common room: which keys they work on now, and the last
// version that anybody was told of each.
type keys struct {
	mu    sync.Mutex
	drawn int
	told  map[string]protocol.Version
}

func newKeys() *keys { return &keys{told: map[string]protocol.Version{}} }

// draw gives a prefix and a key below it, for an operation that counts.
func (k *keys) draw(r *rand.Rand) (prefix, key string) {
	k.mu.Lock()
	k.drawn++
	k.mu.Unlock()
	return k.look(r)
}

// look is draw for one that does not count.
func (k *keys) look(r *rand.Rand) (prefix, key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	prefix = fmt.Sprintf("p%04d/", k.drawn/prefixLife+r.IntN(prefixesAtOnce))
	return prefix, fmt.Sprintf("%sk%d", prefix, r.IntN(keysPerPrefix))
}

func (k *keys) tell(key string, v protocol.Version) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.told[key] = v
}

// version is one that a condition may name; zero if nobody was told any.
func (k *keys) version(key string) protocol.Version {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.told[key]
}
