package rules

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// link is the target of a link in Markdown, up to a fragment.
var link = regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`)

// CheckLinks finds links in Markdown pages that point at nothing in the tree.
// Links to other hosts are not followed.
func CheckLinks(root string) ([]Finding, error) {
	var out []Finding
	err := walk(root, func(rel string) error {
		if !strings.HasSuffix(rel, ".md") {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(rel)))
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, found := range link.FindAllStringSubmatch(line, -1) {
				target := path.Join(path.Dir(rel), found[1])
				if strings.Contains(found[1], "://") {
					continue
				}
				if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(target))); err != nil {
					out = append(out, Finding{fmt.Sprintf("%s:%d", rel, i+1), "links to " + found[1] + ", which is not there"})
				}
			}
		}
		return nil
	})
	return out, err
}
