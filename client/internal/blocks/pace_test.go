package blocks

import (
	"testing"
	"time"
)

// TestHedgesHaveABudget: after the first fetches, one in twenty may be raced by a
// second request, however slow all of them are; and no burst is saved up beyond
// ten.
func TestHedgesHaveABudget(t *testing.T) {
	var p pace
	if p.patience() != firstPatience {
		t.Errorf("the first patience is %v", p.patience())
	}
	spent := 0
	for range 10_000 {
		p.observe(time.Second)
		if p.spend() {
			spent++
		}
	}
	if spent < 480 || spent > 500+paceSamples {
		t.Errorf("%d of 10000 fetches were raced", spent)
	}
	if p.patience() != maxPatience {
		t.Errorf("patience with fetches of a second is %v", p.patience())
	}
	for range 10_000 {
		p.observe(time.Microsecond)
	}
	for spent = 0; p.spend(); spent++ {
	}
	if spent != hedgeBurst/100 || p.patience() != minPatience {
		t.Errorf("a quiet time saves %d hedges, patience %v", spent, p.patience())
	}
}
