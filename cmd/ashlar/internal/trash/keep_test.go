package trash

import (
	"testing"
	"time"
)

// TestKeep: what is read is printed so that it reads as the same.
func TestKeep(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"off": 0, "7d": 7 * day, "1d": day, "3650d": 3650 * day, "36h": 36 * time.Hour, "90m": 90 * time.Minute, "1ms": time.Millisecond,
	} {
		got, err := parseKeep(text)
		if err != nil || got != want {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
		if again, err := parseKeep(keepText(got)); err != nil || again != want {
			t.Errorf("%s is printed as %s, which is %v, %v", text, keepText(got), again, err)
		}
	}
	for _, text := range []string{"", "0", "0d", "-1d", "3651d", "1.5d", "d", "never", "-1h", "0s", "7", "9999999999999999999d"} {
		if got, err := parseKeep(text); err == nil {
			t.Errorf("%s is taken as %v", text, got)
		}
	}
}

// TestCopies: what is read is printed so that it reads as the same.
func TestCopies(t *testing.T) {
	for text, want := range map[string]int{"default": 0, "1": 1, "5": 5} {
		if got, err := parseCopies(text); err != nil || got != want || copiesText(got) != text {
			t.Errorf("%s is %v, %v, printed as %s", text, got, err, copiesText(got))
		}
	}
	for _, text := range []string{"", "0", "6", "-1", "1.5", "all", "99999999999999999999"} {
		if got, err := parseCopies(text); err == nil {
			t.Errorf("%s is taken as %v", text, got)
		}
	}
}
