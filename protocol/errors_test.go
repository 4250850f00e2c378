package protocol

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// TestKindsGolden pins number, name and status of every kind: they are sent
// and kept. A line may be added, never changed or taken away.
func TestKindsGolden(t *testing.T) {
	var b strings.Builder
	for k := Kind(0); k < kindEnd; k++ {
		fmt.Fprintf(&b, "%d %s %d\n", uint16(k), k, k.HTTPStatus())
	}
	want, err := os.ReadFile("testdata/kinds.golden")
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("kinds are\n%s\nbut testdata/kinds.golden has\n%s", b.String(), want)
	}
}

func TestKindNamesAreUnique(t *testing.T) {
	seen := map[string]Kind{}
	for k := Internal; k < kindEnd; k++ {
		name := k.String()
		if other, twice := seen[name]; twice || name == "" {
			t.Errorf("kinds %d and %d are both called %q", other, k, name)
		}
		seen[name] = k
		if ParseKind(name) != k {
			t.Errorf("ParseKind(%q) = %s", name, ParseKind(name))
		}
		if s := k.HTTPStatus(); s < 400 || s > 599 {
			t.Errorf("%s has status %d, which is no error", name, s)
		}
	}
}

func TestKindsOfANewerServer(t *testing.T) {
	if got := ParseKind("not-invented-yet"); got != Internal {
		t.Errorf("ParseKind of an unknown name = %s, want internal", got)
	}
	if got := ParseKind("none"); got != Internal {
		t.Errorf("ParseKind(none) = %s, want internal", got)
	}
	if got := kindEnd.String(); got != "kind-33" || kindEnd.HTTPStatus() != 500 {
		t.Errorf("an unknown number prints %s with status %d", got, kindEnd.HTTPStatus())
	}
}

func TestErrorsAreEqualByKind(t *testing.T) {
	err := fmt.Errorf("put: %w", Errorf(NotFound, "no object %q", "a"))
	if !errors.Is(err, &Error{Kind: NotFound}) || errors.Is(err, &Error{Kind: Busy}) {
		t.Error("errors.Is does not go by kind")
	}
	if KindOf(err) != NotFound || KindOf(nil) != 0 || KindOf(io.EOF) != Internal {
		t.Error("KindOf is wrong")
	}
}

func TestErrorKeepsItsCause(t *testing.T) {
	err := Errorf(Disk, "write: %w", io.ErrShortWrite)
	if !errors.Is(err, io.ErrShortWrite) {
		t.Error("the cause is lost")
	}
	if Errorf(Disk, "no cause").Unwrap() != nil {
		t.Error("a cause from nowhere")
	}
}

func TestErrorText(t *testing.T) {
	for want, err := range map[string]*Error{
		"busy":                       {Kind: Busy},
		"busy: wait":                 {Kind: Busy, Detail: "wait"},
		"busy: wait (request ab-1)":  {Kind: Busy, Detail: "wait", RequestID: "ab-1"},
		"not-leader (request ab-12)": {Kind: NotLeader, RequestID: "ab-12"},
	} {
		if got := err.Error(); got != want {
			t.Errorf("prints %q, want %q", got, want)
		}
	}
}

func TestAsError(t *testing.T) {
	inner := Errorf(Full, "no room")
	if AsError(nil) != nil || AsError(fmt.Errorf("put: %w", inner)) != inner {
		t.Error("AsError does not find the error in the chain")
	}
	if got := AsError(io.EOF); got.Kind != Internal || !errors.Is(got, io.EOF) {
		t.Errorf("AsError of a foreign error = %v", got)
	}
}
