package history

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// DefaultLimit bounds the search of one key or prefix.
const DefaultLimit = 30 * time.Second

// Verdict is what the judges found.
type Verdict struct {
	// Operations counts the history, Judged what the strict models looked at, and
	// Ambiguous the writes whose outcome stayed unknown.
	Operations int `json:"operations"`
	Judged     int `json:"judged"`
	Ambiguous  int `json:"ambiguous"`
	// Session and Stale count reads of those levels that were answered.
	Session int `json:"session"`
	Stale   int `json:"stale"`
	// Keys and Prefixes count the searches.
	Keys     int `json:"keys"`
	Prefixes int `json:"prefixes"`
	// Broken are the contradictions.
	Broken []string `json:"broken,omitempty"`
	// OutOfTime are the searches that did not end in time: neither clean nor broken.
	OutOfTime []string `json:"out_of_time,omitempty"`
}

// Clean: no contradiction, and every search came to its end.
func (v *Verdict) Clean() bool { return len(v.Broken) == 0 && len(v.OutOfTime) == 0 }

// Err describes what is not clean, nil if all is.
func (v *Verdict) Err() error {
	switch {
	case len(v.Broken) > 0:
		return fmt.Errorf("the history contradicts itself:\n%s", strings.Join(v.Broken, "\n"))
	case len(v.OutOfTime) > 0:
		return fmt.Errorf("the search did not end in time, so nothing is known of %s", strings.Join(v.OutOfTime, ", "))
	}
	return nil
}

// Judge looks for contradictions. Each search may take limit; 0 means
// DefaultLimit. Pictures of histories that are not linearizable go to dir unless
// it is empty.
func Judge(ops []Operation, limit time.Duration, dir string) *Verdict {
	if limit == 0 {
		limit = DefaultLimit
	}
	judged := strict(ops)
	v := &Verdict{Operations: len(ops), Judged: len(judged)}
	v.count(ops)
	v.Broken = append(checkVersions(ops), checkSessions(ops)...)
	keys := byKey(judged)
	prefixes, err := byPrefix(judged)
	if err != nil {
		v.Broken = append(v.Broken, err.Error())
		return v
	}
	v.Keys, v.Prefixes = len(keys), len(prefixes)
	for _, p := range append(keys, prefixes...) {
		result, info := p.search(limit)
		switch result {
		case porcupine.Unknown:
			v.OutOfTime = append(v.OutOfTime, p.name)
		case porcupine.Illegal:
			v.Broken = append(v.Broken, fmt.Sprintf("%s: %d operations are not linearizable%s", p.name, len(p.ops), picture(&p, info, dir)))
		}
	}
	return v
}

func (v *Verdict) count(ops []Operation) {
	for i := range ops {
		o := &ops[i]
		switch {
		case o.Outcome == Unknown:
			v.Ambiguous++
		case o.Level == Session && o.Answered():
			v.Session++
		case o.Level == Stale && o.Answered():
			v.Stale++
		}
	}
}

// picture draws the history for a browser, where a folder was given.
func picture(p *part, info porcupine.LinearizationInfo, dir string) string {
	if dir == "" {
		return ""
	}
	path := filepath.Join(dir, strings.NewReplacer("/", "_").Replace(p.name)+".html")
	if err := porcupine.VisualizePath(p.model, info, path); err != nil {
		return ", and could not be drawn: " + err.Error()
	}
	return ": " + path
}
