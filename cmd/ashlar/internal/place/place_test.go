package place

import (
	"os"
	"testing"
)

func TestParseObject(t *testing.T) {
	for in, want := range map[string]Object{
		"src/go":              {"src", "go"},
		"ashlar://src/a/b c/": {"src", "a/b c/"},
		"a.b-c/../x":          {"a.b-c", "../x"},
	} {
		if got, err := ParseObject(in); err != nil || got != want {
			t.Errorf("%s: got %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "src", "src/", "/src/go", "S/x", "src/a\x00", "../x/y", "-"} {
		if got, err := ParseObject(in); err == nil {
			t.Errorf("accepted %q as %v", in, got)
		}
	}
}

func TestParsePrefix(t *testing.T) {
	for in, want := range map[string]Object{"src": {"src", ""}, "src/": {"src", ""}, "src/a/": {"src", "a/"}} {
		if got, err := ParsePrefix(in); err != nil || got != want {
			t.Errorf("%s: got %v, %v", in, got, err)
		}
	}
}

func TestUpload(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("here", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, to string
		up       bool
	}{
		{"/usr", "src/go", true},
		{"src/go", "/tmp", false},
		{"src/go", "./x", false},
		{"-", "src/go", true},
		{"here", "src/go", true},
		{"src/go", "there", false},
		{"here", "ashlar://src/go", true},
		{"ashlar://here/x", "src/go", false},
	} {
		if up, err := Upload(c.from, c.to); err != nil || up != c.up {
			t.Errorf("%s to %s: got %v, %v", c.from, c.to, up, err)
		}
	}
	for _, c := range [][2]string{{"/a", "./b"}, {"ashlar://a/b", "ashlar://c/d"}} {
		if _, err := Upload(c[0], c[1]); err == nil {
			t.Errorf("accepted %v", c)
		}
	}
}
