package cli

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// A signal ends a put whose standard input says nothing.
func TestInterruptible(t *testing.T) {
	silent, _ := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	r := interruptible(ctx, silent)
	cancel()
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	text, err := io.ReadAll(interruptible(t.Context(), strings.NewReader("all of it")))
	if err != nil || string(text) != "all of it" {
		t.Fatalf("got %q, %v", text, err)
	}
}
