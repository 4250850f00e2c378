package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// MaxFileSize bounds a configuration file, in bytes.
const MaxFileSize = 1 << 20

// maxDepth bounds how deep mappings nest; no command path is deeper.
const maxDepth = 4

// Entry is one key of a file with its values: one, or several for a list.
type Entry struct {
	Key    string
	Values []string
	Line   int
}

// ReadFile reads the entries of the file at path, in its order.
func ReadFile(path string) ([]Entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, protocol.Errorf(protocol.InvalidArgument, "configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err != nil {
		return nil, protocol.Errorf(protocol.InvalidArgument, "configuration: %w", err)
	}
	entries, err := Parse(text)
	if err != nil {
		return nil, protocol.Errorf(protocol.InvalidArgument, "%s: %w", path, err)
	}
	return entries, nil
}

// Parse reads one YAML document of nested mappings with scalars and lists of
// scalars as leaves. Keys are joined by dots. Aliases, other shapes and keys
// that stand twice are errors that name the line.
func Parse(text []byte) ([]Entry, error) {
	if len(text) > MaxFileSize {
		return nil, fmt.Errorf("larger than %d bytes", MaxFileSize)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one document")
	}
	p := parser{seen: map[string]int{}}
	if len(doc.Content) != 1 || isNull(doc.Content[0]) {
		return nil, nil
	}
	err := p.mapping("", doc.Content[0], 0)
	return p.entries, err
}

type parser struct {
	entries []Entry
	seen    map[string]int
}

func (p *parser) mapping(prefix string, n *yaml.Node, depth int) error {
	if n.Kind != yaml.MappingNode || depth > maxDepth {
		return fmt.Errorf("line %d: want KEY: VALUE", n.Line)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if name.Kind != yaml.ScalarNode || name.Value == "" {
			return fmt.Errorf("line %d: a key is a plain word", name.Line)
		}
		key := prefix + name.Value
		if line, twice := p.seen[key]; twice {
			return fmt.Errorf("line %d: key %s stands on line %d already", name.Line, protocol.Quote(key), line)
		}
		p.seen[key] = name.Line
		if err := p.value(key, name.Line, value, depth); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) value(key string, line int, n *yaml.Node, depth int) error {
	switch n.Kind {
	case yaml.MappingNode:
		return p.mapping(key+".", n, depth+1)
	case yaml.ScalarNode:
		if isNull(n) {
			return fmt.Errorf("line %d: key %s has no value", line, protocol.Quote(key))
		}
		p.entries = append(p.entries, Entry{key, []string{n.Value}, line})
		return nil
	case yaml.SequenceNode:
		values := []string{}
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode || isNull(item) {
				return fmt.Errorf("line %d: a list holds plain values only", item.Line)
			}
			values = append(values, item.Value)
		}
		p.entries = append(p.entries, Entry{key, values, line})
		return nil
	default:
		return fmt.Errorf("line %d: key %s: want a value, a list or a mapping", line, protocol.Quote(key))
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
