package settings

import (
	"fmt"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// EnvPrefix begins the name of every environment variable of ours.
const EnvPrefix = "ASHLAR_"

// Places tells where values may come from besides flags.
type Places struct {
	// Env looks a variable up, as os.LookupEnv does.
	Env func(name string) (string, bool)
	// File is the configuration file; empty for none.
	File string
}

// Setting is one flag with the value it ended up with.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	// Source is "flag", "environment NAME", "file PATH:LINE" or "default".
	Source string `json:"source"`
	Env    string `json:"env"`
}

// EnvName is the environment's spelling of key.
func EnvName(key string) string {
	return EnvPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// Apply gives the flags of cmd, those inherited included, their values from the
// places wherever the command line gave none. The file is checked as a whole:
// against the flags of every command of the tree.
func Apply(cmd *cobra.Command, places Places) error {
	_, err := apply(cmd, places)
	return err
}

// Resolved is Apply for every command of cmd's tree; it tells every setting, in
// the order of keys.
func Resolved(cmd *cobra.Command, places Places) ([]Setting, error) {
	var out []Setting
	seen := map[string]bool{}
	err := eachCommand(cmd.Root(), func(c *cobra.Command) error {
		c.InitDefaultHelpFlag()
		settings, err := apply(c, places)
		for _, s := range settings {
			if !seen[s.Key] {
				seen[s.Key] = true
				out = append(out, s)
			}
		}
		return err
	})
	sort.Slice(out, func(i, j int) bool { return out[i].Key < out[j].Key })
	return out, err
}

func apply(cmd *cobra.Command, places Places) ([]Setting, error) {
	file, err := fileEntries(cmd, places.File)
	if err != nil {
		return nil, err
	}
	var out []Setting
	eachFlag(cmd, func(key string, f *pflag.Flag) {
		if err != nil {
			return
		}
		s := Setting{Key: key, Env: EnvName(key), Source: "default"}
		entry, inFile := file[key]
		env, inEnv := places.Env(s.Env)
		switch {
		case f.Changed:
			s.Source = "flag"
		case inEnv:
			s.Source = "environment " + s.Env
			err = set(f, s.Source, split(f, env))
		case inFile:
			s.Source = fmt.Sprintf("file %s:%d", places.File, entry.Line)
			err = set(f, s.Source, entry.Values)
		}
		s.Value = f.Value.String()
		out = append(out, s)
	})
	return out, err
}

// fileEntries reads the file and refuses keys that no flag of the tree has.
func fileEntries(cmd *cobra.Command, path string) (map[string]Entry, error) {
	if path == "" {
		return nil, nil
	}
	entries, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	known := Keys(cmd.Root())
	byKey := map[string]Entry{}
	for _, e := range entries {
		if !known[e.Key] {
			return nil, protocol.Errorf(protocol.InvalidArgument, "%s:%d: unknown key %s; `ashlar config view --resolved` lists the known ones", path, e.Line, protocol.Quote(e.Key))
		}
		byKey[e.Key] = e
	}
	return byKey, nil
}

// Keys returns the keys of every flag of root's tree.
func Keys(root *cobra.Command) map[string]bool {
	known := map[string]bool{}
	_ = eachCommand(root, func(c *cobra.Command) error {
		eachFlag(c, func(key string, _ *pflag.Flag) { known[key] = true })
		return nil
	})
	return known
}

func eachCommand(c *cobra.Command, fn func(*cobra.Command) error) error {
	if err := fn(c); err != nil {
		return err
	}
	for _, sub := range c.Commands() {
		if sub.Name() == "help" || sub.Name() == "completion" {
			continue
		}
		if err := eachCommand(sub, fn); err != nil {
			return err
		}
	}
	return nil
}

// eachFlag visits the flags that have keys: all but help, version, config and
// those that are hidden, which are for tests.
func eachFlag(c *cobra.Command, fn func(key string, f *pflag.Flag)) {
	section := strings.ReplaceAll(strings.TrimPrefix(c.CommandPath(), c.Root().Name()), " ", ".")
	section = strings.TrimPrefix(section+".", ".")
	visit := func(prefix string) func(*pflag.Flag) {
		return func(f *pflag.Flag) {
			if f.Name != "help" && f.Name != "version" && f.Name != "config" && !f.Hidden {
				fn(prefix+f.Name, f)
			}
		}
	}
	c.Root().PersistentFlags().VisitAll(visit(""))
	if c != c.Root() {
		c.NonInheritedFlags().VisitAll(visit(section))
	}
}

func split(f *pflag.Flag, value string) []string {
	if _, many := f.Value.(pflag.SliceValue); !many {
		return []string{value}
	}
	if value == "" {
		return nil
	}
	return strings.Split(value, ",")
}

func set(f *pflag.Flag, source string, values []string) error {
	var err error
	many, ok := f.Value.(pflag.SliceValue)
	switch {
	case ok:
		err = many.Replace(values)
	case len(values) != 1:
		err = fmt.Errorf("want one value, not a list of %d", len(values))
	default:
		err = f.Value.Set(values[0])
	}
	if err != nil {
		return protocol.Errorf(protocol.InvalidArgument, "%s: --%s: %w", source, f.Name, err)
	}
	return nil
}
