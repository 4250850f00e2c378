package rules

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// forbidden are patterns that must not stand anywhere in the tree. They are put
// together from halves so that this file does not find itself.
var forbidden = map[string]*regexp.Regexp{
	"a path of one machine":   regexp.MustCompile(`(^|[^A-Za-z0-9_.~/-])/(ro` + `ot|ho` + `me/[a-z]+|Use` + `rs/[A-Za-z]+|work/(ma` + `in|sha` + `red)|tmp/ash` + `lar)\b`),
	"a host of a registry":    regexp.MustCompile(`(?i)\b((pro` + `xy|su` + `m)\.golang\.org|gopro` + `xy\.[a-z]+|artifac` + `tory|registry\.np` + `mjs|ne` + `xus3?\.[a-z]+\.)`),
	"who or what wrote it":    regexp.MustCompile(`(?i)(\bclau` + `de\b|\banthro` + `pic\b|\bchat` + `gpt\b|\bopen` + `ai\b|\bcopi` + `lot\b|\bL` + `LM\b|co-auth` + `ored-by|\bauth` + `or:|written by (a|an|the) (ai|ass` + `istant|mod` + `el)|\bAI[- ]gen` + `erated)`),
	"a promise to do it":      regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`),
	"a number of a work item": regexp.MustCompile(`(?i)\bissue #?[0-9]+\b`),
}

// elsewhere is another project's work item, named with its repository.
var elsewhere = regexp.MustCompile(`[\w.-]+/[\w.-]+ issue #?[0-9]+`)

// textFiles are the endings that CheckWords reads; other files are data.
var textFiles = []string{".go", ".md", ".proto", ".yml", ".yaml", ".sh", ".txt", ".txtar", ".mod", "Makefile", "/run", ".gitignore", "LICENSE"}

// CheckWords finds forbidden words in every text file below root.
func CheckWords(root string) ([]Finding, error) {
	var out []Finding
	err := walk(root, func(rel string) error {
		if !isText(rel) {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(rel)))
		if err != nil {
			return err
		}
		if !utf8.Valid(text) {
			out = append(out, Finding{rel, "is not valid UTF-8"})
		}
		out = append(out, words(rel, text)...)
		return nil
	})
	return out, err
}

func words(rel string, text []byte) []Finding {
	var out []Finding
	for i, line := range bytes.Split(text, []byte("\n")) {
		line = elsewhere.ReplaceAll(line, nil)
		for what, pattern := range forbidden {
			if found := pattern.Find(line); found != nil {
				out = append(out, Finding{fmt.Sprintf("%s:%d", rel, i+1), fmt.Sprintf("tells %s: %q", what, found)})
			}
		}
	}
	return out
}

func isText(rel string) bool {
	for _, ending := range textFiles {
		if strings.HasSuffix(rel, ending) {
			return true
		}
	}
	return false
}
