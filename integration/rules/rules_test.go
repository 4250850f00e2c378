package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

func load(t *testing.T, at string) *Tree {
	t.Helper()
	tree, err := Load(at)
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Packages) == 0 {
		t.Fatalf("no packages below %s", at)
	}
	return tree
}

func bad(t *testing.T, rule string) *Tree {
	t.Helper()
	return load(t, filepath.Join("testdata", rule))
}

// clean fails with every finding in the tree.
func clean(t *testing.T, found []Finding) {
	t.Helper()
	for _, f := range found {
		t.Error(f)
	}
}

// reports fails unless exactly the wanted findings came, each given as a piece
// of its printed form.
func reports(t *testing.T, found []Finding, want ...string) {
	t.Helper()
	left := map[int]bool{}
	for i := range found {
		left[i] = true
	}
	for _, w := range want {
		hit := -1
		for i, f := range found {
			if left[i] && strings.Contains(f.String(), w) {
				hit = i
				break
			}
		}
		if hit < 0 {
			t.Errorf("not reported: %s", w)
			continue
		}
		delete(left, hit)
	}
	for i, f := range found {
		if left[i] {
			t.Errorf("reported without being bad: %s", f)
		}
	}
}

func TestArrows(t *testing.T) {
	clean(t, CheckArrows(load(t, root)))
}

func TestArrowsReportsBadSource(t *testing.T) {
	reports(t, CheckArrows(bad(t, "arrows")),
		"must not import github.com/hashicorp/raft",
		"must not import blockserver:",
		"must not import client:",
		"must not import metaserver/state:",
		"nowhere: stands in no room",
	)
}

func TestSDK(t *testing.T) {
	deps, err := Go(root, "list", "-deps", "./client")
	if err != nil {
		t.Fatal(err)
	}
	clean(t, CheckSDK(strings.Fields(deps)))
}

func TestSDKReportsBadSource(t *testing.T) {
	found := CheckSDK([]string{"fmt", "github.com/hashicorp/raft-boltdb/v2", "github.com/hashicorp/rafty"})
	reports(t, found, "needs github.com/hashicorp/raft-boltdb/v2")
}

func TestTop(t *testing.T) {
	files, err := exec.Command("git", "-C", root, "ls-files", "-z").Output()
	if err != nil {
		t.Fatal(err)
	}
	clean(t, CheckTop(strings.Split(strings.TrimRight(string(files), "\x00"), "\x00")))
}

func TestTopReportsBadSource(t *testing.T) {
	files := []string{"go.mod", "client/doc.go", "meta0/replica/raft.db", "meta0/ashlar-meta.json", "n0.log"}
	reports(t, CheckTop(files), "meta0: does not belong", "n0.log: does not belong")
}

func TestPurity(t *testing.T) {
	tree := load(t, root)
	for _, p := range tree.Packages {
		if !contains(PureRooms, p.Dir) || p.Name() == "" {
			continue
		}
		info, err := TypeCheck(tree, p)
		if err != nil {
			t.Fatal(err)
		}
		clean(t, CheckPurity(tree, p, info))
	}
}

func TestPurityReportsBadSource(t *testing.T) {
	tree := bad(t, "purity")
	info, err := TypeCheck(tree, tree.Packages[0])
	if err != nil {
		t.Fatal(err)
	}
	reports(t, CheckPurity(tree, tree.Packages[0], info),
		"must not import os",
		"must not use time.Now",
		"starts no goroutine",
		"never walks a Go map",
		"must not use maps.Keys",
		"changes no global: total",
		"changes no global: table",
		"changes no global: total",
		"has no channel",
	)
}

func TestExits(t *testing.T) {
	clean(t, CheckExits(load(t, root)))
}

func TestExitsReportsBadSource(t *testing.T) {
	reports(t, CheckExits(bad(t, "exits")), "bad.go:15: os.Exit", "log.Fatalf")
}

func TestDocumentation(t *testing.T) {
	tree := load(t, root)
	clean(t, CheckPackageComments(tree))
	clean(t, CheckExportedComments(tree))
}

func TestDocumentationReportsBadSource(t *testing.T) {
	tree := bad(t, "documentation")
	reports(t, CheckPackageComments(tree), "client: package client opens with no prose", "blockserver: the package comment begins")
	reports(t, CheckExportedComments(tree), "exported Exported", "exported Type", "exported Method", "exported Constant", "exported Third")
}

func TestSizes(t *testing.T) {
	clean(t, CheckSizes(load(t, root)))
}

func TestSizesReportsBadSource(t *testing.T) {
	reports(t, CheckSizes(bad(t, "sizes")), "many.go: 401 lines", "func long has 72 lines", "client: 16 files")
}

func TestSleeps(t *testing.T) {
	clean(t, CheckSleeps(load(t, root)))
}

func TestSleepsReportsBadSource(t *testing.T) {
	reports(t, CheckSleeps(bad(t, "sleeps")), "bad_test.go:5", "bad_test.go:8", "bad_test.go:16")
}

func TestWords(t *testing.T) {
	found, err := CheckWords(root)
	if err != nil {
		t.Fatal(err)
	}
	clean(t, found)
}

func TestWordsReportsBadSource(t *testing.T) {
	for _, line := range []string{
		"see /ro" + "ot/go/bin/x", "cp /ho" + "me/ann/x", "GOPROXY=https://pro" + "xy.golang.org", "Co-Auth" + "ored-By: x",
		"made with Cl" + "aude", "// TO" + "DO later", "// as in issue" + " 12", "cd /tmp/ash" + "lar/x",
	} {
		if len(words("x.go", []byte("ok\n"+line+"\n"))) != 1 {
			t.Errorf("not reported once: %s", line)
		}
	}
	for _, line := range []string{"https://example.com/ro" + "ot/x", "$HOME/work", "the method" + " of todoist", "./ashlar/ho" + "me", "authority: x", "// (hashicorp/raft issue" + " 697)"} {
		if found := words("x.go", []byte(line)); len(found) > 0 {
			t.Errorf("reported without being bad: %s", found)
		}
	}
}

func TestLinks(t *testing.T) {
	found, err := CheckLinks(root)
	if err != nil {
		t.Fatal(err)
	}
	clean(t, found)
}

func TestLinksReportsBadPage(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "there.md"), "[a](https://example.com/x) [b](there.md#part) [c](#here)\n[d](gone.md)\n")
	found, err := CheckLinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	reports(t, found, "there.md:2: links to gone.md")
}

func TestFresh(t *testing.T) {
	if _, err := exec.LookPath("protoc"); err != nil {
		if os.Getenv("ASHLAR_CI") != "" {
			t.Fatal("protoc is missing; .ci/run installs it")
		}
		t.Skip("protoc is missing; install protobuf-compiler to check generated code")
	}
	at, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	fresh := t.TempDir()
	if err := Generate(at, t.TempDir(), fresh); err != nil {
		t.Fatal(err)
	}
	found, err := CheckFresh(at, fresh)
	if err != nil {
		t.Fatal(err)
	}
	clean(t, found)
}

func TestFreshReportsStaleCode(t *testing.T) {
	at, fresh := t.TempDir(), t.TempDir()
	for name, pair := range map[string][2]string{
		"same.pb.go":  {"// \tprotoc        v3.1\npackage a\n", "// \tprotoc        v4.2\npackage a\n"},
		"other.pb.go": {"package a\n", "package b\n"},
	} {
		write(t, filepath.Join(at, name), pair[0])
		write(t, filepath.Join(fresh, name), pair[1])
	}
	write(t, filepath.Join(fresh, "new.pb.go"), "package c\n")
	found, err := CheckFresh(at, fresh)
	if err != nil {
		t.Fatal(err)
	}
	reports(t, found, "other.pb.go: is stale", "new.pb.go: is stale")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
