// Package terminal is how the command talks: results to standard output, as
// tables for people or as JSON for programs, everything else to standard error.
//
// Invariants. Standard output holds results only, so that a pipe never sees a
// progress bar or a warning. Names that come from a store are escaped before
// they reach a terminal. Bars and colour appear only when standard error is a
// terminal; NO_COLOR (https://no-color.org) switches colour off. JSON output is
// one document, or one document a line for lists, with field names that only grow.
package terminal

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Screen is where one run of the command prints. It is safe for concurrent use.
type Screen struct {
	// Out takes results, Err everything else.
	Out, Err io.Writer
	// JSON prints results as JSON.
	JSON bool
	// Live allows progress bars and Color colour, both on Err.
	Live, Color bool

	mu     sync.Mutex
	broken error
}

// New returns a Screen that knows whether err is a terminal. noColor is the
// value of NO_COLOR: any text switches colour off.
func New(out, err io.Writer, noColor string) *Screen {
	s := &Screen{Out: out, Err: err}
	if f, ok := err.(*os.File); ok {
		s.Live = term.IsTerminal(int(f.Fd()))
	}
	s.Color = s.Live && noColor == ""
	return s
}

// Record prints v as one line of JSON.
func (s *Screen) Record(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.Out.Write(append(text, '\n'))
	return err
}

// Document prints v as indented JSON.
func (s *Screen) Document(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.Out.Write(append(text, '\n'))
	return err
}

// Printf prints a result for people; Broken tells whether that failed.
func (s *Screen) Printf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintf(s.Out, format, args...); err != nil && s.broken == nil {
		s.broken = err
	}
}

// Redraw goes to the top of an empty page if results go to a terminal, and reports
// whether they do.
func (s *Screen) Redraw() bool {
	f, ok := s.Out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false
	}
	s.Printf("\x1b[H\x1b[2J")
	return true
}

// Notef prints what is no result. Errors of the system quote names as they are, so
// what a terminal would obey is escaped here.
func (s *Screen) Notef(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.Err, escape(fmt.Sprintf(format, args...)))
}

// Broken returns the first error of Printf: results that nobody got.
func (s *Screen) Broken() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// Table prints rows in columns. The first row is the heading where head is set.
func (s *Screen) Table(rows [][]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintln(w, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// Bytes prints a size for people, as in "1.5 GiB".
func Bytes(n uint64) string { return humanize.IBytes(n) }

// ParseBytes reads a size: a plain number of bytes, or one with a unit as in
// 64MiB or 1.5GB. Anything else is InvalidArgument.
func ParseBytes(text string) (uint64, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil {
		return 0, protocol.Errorf(protocol.InvalidArgument, "%s is no size; write bytes, or as in 64MiB: %w", protocol.Quote(text), err)
	}
	return n, nil
}

// Safe returns name as it is if a terminal can print it, else quoted.
func Safe(name string) string {
	for _, r := range name {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return protocol.Quote(name)
		}
	}
	return name
}

// escape replaces all but printable text and line ends, by escapes that Go and
// JSON both read.
func escape(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == '\n' || (unicode.IsPrint(r) && r != unicode.ReplacementChar):
			b.WriteRune(r)
		case r == unicode.ReplacementChar && text[i] != "\ufffd"[0]:
			fmt.Fprintf(&b, "\\x%02x", text[i])
		default:
			for _, unit := range utf16.AppendRune(nil, r) {
				fmt.Fprintf(&b, "\\u%04x", unit)
			}
		}
	}
	return b.String()
}
