package rules

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Generated is one proto source and the folders that protoc looks into.
type Generated struct {
	// Source and Include are slash-separated paths below the tree's root.
	Source  string
	Include []string
}

// Sources lists what `make generate` generates from.
var Sources = []Generated{
	{"protocol/pb/wire.proto", []string{"protocol/pb"}},
	{"metaserver/state/record/record.proto", []string{"protocol/pb", "metaserver/state/record"}},
}

// plugins are built at the versions that go.mod pins.
var plugins = []string{
	"google.golang.org/protobuf/cmd/protoc-gen-go",
	"github.com/planetscale/vtprotobuf/cmd/protoc-gen-go-vtproto",
}

// Generate runs protoc over Sources of the tree at root and writes into out,
// with the plugins built into bin.
func Generate(root, bin, out string) error {
	if _, err := Go(root, append([]string{"build", "-o", bin + string(filepath.Separator)}, plugins...)...); err != nil {
		return err
	}
	for _, g := range Sources {
		args := []string{
			"--plugin=" + filepath.Join(bin, "protoc-gen-go"),
			"--plugin=" + filepath.Join(bin, "protoc-gen-go-vtproto"),
			"--go_out=" + out, "--go_opt=module=" + Module,
			"--go-vtproto_out=" + out, "--go-vtproto_opt=module=" + Module + ",features=marshal+unmarshal+size",
		}
		for _, dir := range g.Include {
			args = append(args, "-I", filepath.Join(root, filepath.FromSlash(dir)))
		}
		cmd := exec.Command("protoc", append(args, filepath.Join(root, filepath.FromSlash(g.Source)))...)
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("protoc %s: %w\n%s", g.Source, err, text)
		}
	}
	return nil
}

// CheckFresh compares the generated files below fresh with those below root.
// The line that names protoc's own version may differ: machines have their own.
func CheckFresh(root, fresh string) ([]Finding, error) {
	var out []Finding
	err := walk(fresh, func(rel string) error {
		want, err := os.ReadFile(filepath.Join(fresh, filepath.FromSlash(rel)))
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(rel)))
		if err != nil || !bytes.Equal(withoutProtoc(got), withoutProtoc(want)) {
			out = append(out, Finding{rel, "is stale: run `make generate` and commit the result"})
		}
		return nil
	})
	return out, err
}

func withoutProtoc(text []byte) []byte {
	var kept []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "// ") || !strings.Contains(line, "protoc  ") {
			kept = append(kept, line)
		}
	}
	return []byte(strings.Join(kept, ""))
}
