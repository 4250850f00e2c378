package rules

import "strings"

// topEntries are the folders and files that stand at the top of the tree.
var topEntries = []string{
	".ci", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "go.mod", "go.sum",
	"blockserver", "client", "cmd", "docs", "integration", "metaserver", "protocol",
}

// CheckTop finds what stands at the top of the tree and does not belong there, given
// the paths of all files that the repository keeps: data folders and logs of a
// server that somebody tried out here, above all.
func CheckTop(files []string) []Finding {
	var out []Finding
	seen := map[string]bool{}
	for _, file := range files {
		name, _, _ := strings.Cut(file, "/")
		if !seen[name] && !contains(topEntries, name) {
			out = append(out, Finding{name, "does not belong at the top of the tree"})
		}
		seen[name] = true
	}
	return out
}
