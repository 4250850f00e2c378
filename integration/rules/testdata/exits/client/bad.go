package client

import (
	"log"
	"os"
)

func allowed() {
	//ashlar:exit the runtime gives no other way
	os.Exit(3)
}

func second() {
	//ashlar:exit one too many
	os.Exit(4)
}

func plain() { log.Fatalf("no") }

type other struct{}

func (other) Exit(int) {}

func shadow(os other) { _ = os }
