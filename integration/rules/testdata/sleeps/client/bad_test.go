package client

import "time"

func TestBad() { time.Sleep(1) }

func eventuallyTrue(ok func() bool) {
	time.Sleep(2)
	for !ok() {
		time.Sleep(3)
	}
}

func TestLoop() {
	for {
		time.Sleep(4)
	}
}
