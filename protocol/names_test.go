package protocol

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// table runs check over inputs that must pass and inputs that must not.
func table(t *testing.T, check func(string) error, good, bad []string) {
	t.Helper()
	for _, s := range good {
		if err := check(s); err != nil {
			t.Errorf("%q is refused: %v", s, err)
		}
	}
	for _, s := range bad {
		err := check(s)
		if KindOf(err) != InvalidArgument {
			t.Errorf("%q: %v, want invalid-argument", s, err)
			continue
		}
		for _, r := range err.Error() {
			if r < 0x20 || r == 0x7f || r == utf8.RuneError {
				t.Errorf("the error for %q carries %q raw", s, r)
			}
		}
		if len(err.Error()) > 300 {
			t.Errorf("the error for %d bytes has %d", len(s), len(err.Error()))
		}
	}
}

func TestCheckBucket(t *testing.T) {
	table(t, CheckBucket,
		[]string{"abc", "a-b", "a.b", "0-9", "123", "a--b", strings.Repeat("a", MinBucketLength), strings.Repeat("a", MaxBucketLength)},
		[]string{
			"", "a", "ab", strings.Repeat("a", MaxBucketLength+1), "-ab", "ab-", ".ab", "ab.", "a..b", "Abc", "a_b", "a b", "a/b", "a\x00b", "äöü",
			"..", "...", "a%b", "a\\b", "\xff\xff\xff", "a\nb", strings.Repeat("\x1b[31m", 1000),
		})
}

func TestCheckName(t *testing.T) {
	table(t, CheckName,
		[]string{"a", "/", "a/b/c", "../x", " ", "naïve", "日本", "a\u0301", "100%", "a\\b", strings.Repeat("a", MaxNameLength), strings.Repeat("é", MaxNameLength/2)},
		[]string{"", "\x00", "a\x00", "a\nb", "\x7f", "\x1b[2J", "\xff", "a\xc3", "\xed\xa0\x80", strings.Repeat("a", MaxNameLength+1), strings.Repeat("a", 2<<10)})
}

func TestCheckPrefix(t *testing.T) {
	table(t, CheckPrefix, []string{"", "a", "a/", strings.Repeat("a", MaxNameLength)}, []string{"\x00", "\xff", strings.Repeat("a", MaxNameLength+1)})
}

func TestCheckContentType(t *testing.T) {
	table(t, CheckContentType,
		[]string{"", "text/plain; charset=utf-8", strings.Repeat("a", MaxContentTypeLength)},
		[]string{"text/plain\r\nSet-Cookie: a", "\x00", "é", "\x7f", strings.Repeat("a", MaxContentTypeLength+1)})
}

func TestCheckUserMetadata(t *testing.T) {
	table(t, func(s string) error { return CheckUserMetadata(s, "v") }, []string{"k", "owner name"}, []string{"", "\x00", "k\n", "\xff"})
	table(t, func(s string) error { return CheckUserMetadata("k", s) }, []string{"", "v", "日本"}, []string{"\x00", "v\r\n", "\xff"})
}

func TestCheckAddress(t *testing.T) {
	table(t, CheckAddress,
		[]string{"127.0.0.1:7400", "localhost:1", "[::1]:65535", "node-3.rack_2.example:7420"},
		[]string{
			"", ":", ":80", "a", "a:", "a:0", "a:65536", "a:+80", "a:080", "a:http", "::1:80", "[::1:80", "::1]:80", "[]:80", "a b:80", "a/b:80",
			"user@a:80", "a:80\r\nHost: b", "http://a:80", "\x00:80", strings.Repeat("a", MaxAddressLength) + ":80",
		})
}

func TestQuoteHidesControls(t *testing.T) {
	if got := Quote("a\x1b[2J\n\"\xff"); got != `"a\x1b[2J\n\"\xff"` {
		t.Errorf("Quote = %s", got)
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"abc", "a..b", "\x00", "日本", "\xff", "127.0.0.1:7400", "[::1]:1", "text/plain"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if CheckBucket(s) == nil && (CheckName(s) != nil || strings.ContainsAny(s, "/\\%") || s != strings.ToLower(s)) {
			t.Errorf("%q passes as a bucket", s)
		}
		if CheckName(s) == nil && (s == "" || len(s) > MaxNameLength || !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\r\n")) {
			t.Errorf("%q passes as a name", s)
		}
		if CheckName(s) == nil && CheckPrefix(s) != nil {
			t.Errorf("%q is a name but no prefix", s)
		}
		if CheckAddress(s) == nil && (len(s) > MaxAddressLength || strings.ContainsAny(s, " /\\@?#\r\n\x00")) {
			t.Errorf("%q passes as an address", s)
		}
		if CheckContentType(s) == nil && strings.ContainsAny(s, "\r\n\x00") {
			t.Errorf("%q passes as a content type", s)
		}
	})
}
