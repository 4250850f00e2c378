package state

import (
	"maps"
	"os"
	clock "time"
)

var total int
var table = map[string]int{}

type row struct{ seen map[string]int }

func impure(r row) {
	_ = clock.Now()
	_ = os.Getpid()
	go func() {}()
	for range r.seen {
	}
	_ = maps.Keys(r.seen)
	total++
	table["x"] = 1
	_ = &total
	_ = make(chan int)
}

func pure(time row) int {
	n := 0
	for _, v := range []int{1, 2} {
		n += v
	}
	_ = time.seen
	return n + int(clock.Second)
}
