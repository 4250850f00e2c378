// Package app is what every command of ashlar shares: where it prints, where its
// settings come from, how it opens a cluster, and how an error becomes words and
// an exit code.
//
// One App is made per run by package cli and handed to each command's
// constructor; nothing here is global.
//
// Invariants. An exit code says what a script may do next and never changes its
// meaning (Exit codes, below). An error goes to standard error, names its cause,
// and where there is one, the next step.
package app

import (
	"context"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/settings"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// DefaultEndpoint is the client address of the first metaserver of `ashlar dev`.
const DefaultEndpoint = "127.0.0.1:7400"

// memoryTarget is what the garbage collector of a client command aims below, in
// bytes; the data in flight of one transfer fits several times.
const memoryTarget = 96 << 20

// defaultPatience bounds the search for a metaserver that answers at all.
const defaultPatience = 3 * time.Second

// Config is what a run starts from.
type Config struct {
	In       io.Reader
	Out, Err io.Writer
	// Env looks up an environment variable, as os.LookupEnv does.
	Env func(name string) (string, bool)
	// ConfigFile is read if it exists and --config names no other.
	ConfigFile string
	// Version is what `ashlar version` tells of this build; may be empty.
	Version string
}

// App is one run of the command.
type App struct {
	Config
	Screen *terminal.Screen

	// Endpoints are client addresses of metaservers.
	Endpoints []string

	output     string
	config     string
	logLevel   string
	logFormat  string
	noProgress bool
	zone       string
	patience   time.Duration
	level      slog.LevelVar
}

// New makes an App that prints where cfg says.
func New(cfg Config) *App {
	noColor, _ := cfg.Env("NO_COLOR")
	return &App{Config: cfg, Screen: terminal.New(cfg.Out, cfg.Err, noColor)}
}

// Bind gives root the flags that every command has.
func (a *App) Bind(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringSliceVar(&a.Endpoints, "endpoints", []string{DefaultEndpoint}, "client `addresses` of metaservers")
	f.StringVarP(&a.output, "output", "o", "table", "`format` of results: table or json")
	f.StringVar(&a.config, "config", "", "configuration `file` (default: ashlar/config.yaml in the user's configuration folder, if it exists)")
	f.StringVar(&a.logLevel, "log-level", "", "least `level` of a server's log: debug, info, warn or error (default info; warn for dev, demo and bench)")
	f.StringVar(&a.logFormat, "log-format", "text", "`format` of a server's log: text or json")
	f.DurationVar(&a.patience, "connect-timeout", defaultPatience, "`time` to find a metaserver that answers")
	f.StringVar(&a.zone, "client-zone", "", "`name` of where this command runs: copies in that zone are read first")
	f.BoolVar(&a.noProgress, "no-progress", false, "show no progress bars")
}

// Settle fills cmd's flags from the environment and the file, and checks those
// that Bind made.
func (a *App) Settle(cmd *cobra.Command) error {
	if err := settings.Apply(cmd, a.Places()); err != nil {
		return err
	}
	switch a.output {
	case "json":
		a.Screen.JSON = true
	case "table":
	default:
		return protocol.Errorf(protocol.InvalidArgument, "--output is table or json, not %s", protocol.Quote(a.output))
	}
	if a.noProgress {
		a.Screen.Live = false
	}
	return nil
}

// Expect looks for the output format in a command line that was refused before its
// flags were all read, so that a script is told in the form that it asked for.
func (a *App) Expect(args []string) {
	for i, arg := range args {
		next := ""
		if i+1 < len(args) {
			next = args[i+1]
		}
		switch {
		case arg == "--":
			return
		case (arg == "-o" || arg == "--output") && next == "json", arg == "-ojson", arg == "-o=json", arg == "--output=json":
			a.output = "json"
		}
	}
	if from, _ := a.Env(settings.EnvPrefix + "OUTPUT"); from == "json" && a.output == "table" {
		a.output = "json"
	}
}

// Places tells where settings come from. A file or ASHLAR_CONFIG that was named
// must exist; the default file need not.
func (a *App) Places() settings.Places {
	p := settings.Places{Env: a.Env, File: a.config}
	if p.File == "" {
		p.File, _ = a.Env(settings.EnvPrefix + "CONFIG")
	}
	if p.File == "" && readable(a.ConfigFile) {
		p.File = a.ConfigFile
	}
	return p
}

// Open connects to the cluster of --endpoints, for a command that must stay
// small in memory.
func (a *App) Open(ctx context.Context) (*client.Client, error) {
	debug.SetMemoryLimit(memoryTarget)
	opening, cancel := context.WithTimeout(ctx, a.patience)
	defer cancel()
	c, err := client.Open(opening, client.Config{Endpoints: a.Endpoints, Zone: a.zone})
	if err != nil && opening.Err() != nil && ctx.Err() == nil {
		return nil, protocol.Errorf(protocol.Unavailable, "no answer from %s within %v: %w", strings.Join(a.Endpoints, ", "), a.patience, err)
	}
	return c, err
}

// Logger makes the log of a server command, on standard error; level is the
// least level where --log-level tells none.
func (a *App) Logger(level slog.Level) (*slog.Logger, error) {
	a.level.Set(level)
	if a.logLevel != "" {
		if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
			return nil, protocol.Errorf(protocol.InvalidArgument, "--log-level: %w", err)
		}
		a.level.Set(level)
	}
	opts := &slog.HandlerOptions{Level: &a.level}
	switch a.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(a.Err, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.Err, opts)), nil
	default:
		return nil, protocol.Errorf(protocol.InvalidArgument, "--log-format is text or json, not %s", protocol.Quote(a.logFormat))
	}
}

// SetLevel changes the least level of the log where --log-level tells none:
// servers of one process that start or stop one after the other complain of
// each other.
func (a *App) SetLevel(level slog.Level) {
	if a.logLevel == "" {
		a.level.Set(level)
	}
}

// Silent is a level that nothing is logged at.
const Silent = slog.LevelError + 1
