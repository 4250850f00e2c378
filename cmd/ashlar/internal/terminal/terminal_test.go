package terminal

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestOutputWithoutTerminalHasNoBar(t *testing.T) {
	var out, err bytes.Buffer
	s := New(&out, &err, "")
	p := s.Progress("x", 10)
	n, copyErr := io.Copy(p.Writer(io.Discard), p.Reader(strings.NewReader("0123456789")))
	p.Grow(1)
	p.Done()
	if n != 10 || copyErr != nil || out.Len() != 0 || err.Len() != 0 || s.Live || s.Color {
		t.Fatalf("n %d, err %v, printed %q %q", n, copyErr, out.String(), err.String())
	}
}

func TestBarCountsAndGoes(t *testing.T) {
	var err bytes.Buffer
	s := &Screen{Err: &err, Live: true}
	p := s.Progress("x", 0)
	p.Grow(4)
	if _, copyErr := io.Copy(p.Writer(io.Discard), strings.NewReader("0123")); copyErr != nil {
		t.Fatal(copyErr)
	}
	p.Done()
}

func TestCountIsShownOnATerminalOnly(t *testing.T) {
	for _, live := range []bool{false, true} {
		var err bytes.Buffer
		c := (&Screen{Err: &err, Live: live}).Count("deleting")
		c.Set(1)
		c.Set(22)
		c.Done()
		c.Set(23)
		c.Done()
		want := ""
		if live {
			want = "\r\x1b[Kdeleting: 1 so far\r\x1b[Kdeleting: 22 so far\r\x1b[K"
		}
		if err.String() != want {
			t.Fatalf("live %v: printed %q", live, err.String())
		}
	}
}

func TestJSONLines(t *testing.T) {
	var out bytes.Buffer
	s := New(&out, io.Discard, "")
	for i := range 2 {
		if err := s.Record(map[string]int{"n": i}); err != nil {
			t.Fatal(err)
		}
	}
	if out.String() != "{\"n\":0}\n{\"n\":1}\n" {
		t.Fatalf("got %q", out.String())
	}
}

func TestSafeEscapesWhatATerminalObeys(t *testing.T) {
	for in, want := range map[string]string{
		"plain/näme":    "plain/näme",
		"a\x1b[31mred":  `"a\x1b[31mred"`,
		"right\u202eto": "\"right\\u202eto\"",
		"bad\xff":       `"bad\xff"`,
	} {
		if got := Safe(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestNotesEscapeWhatATerminalObeys(t *testing.T) {
	var out bytes.Buffer
	s := New(io.Discard, &out, "")
	s.Notef("%s", "mkdir a\x1b[31m\u009b\u202e\xff\U000e0001: näme\nnext")
	const want = "mkdir a\\u001b[31m\\u009b\\u202e\\xff\\udb40\\udc01: näme\nnext\n"
	if got := out.String(); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestLostResultsAreKnown(t *testing.T) {
	s := New(fullDisk{}, io.Discard, "")
	if s.Broken() != nil {
		t.Fatal("broken before anything was printed")
	}
	s.Printf("result\n")
	if s.Broken() == nil {
		t.Fatal("a result got lost and nobody knows")
	}
}

func TestParseBytes(t *testing.T) {
	for in, want := range map[string]uint64{"0": 0, "17": 17, "64KiB": 65536, "1.5GB": 1500000000} {
		if got, err := ParseBytes(in); err != nil || got != want {
			t.Errorf("%s: got %d, %v", in, got, err)
		}
	}
	if _, err := ParseBytes("many"); err == nil {
		t.Error("accepted: many")
	}
}
