// Command ashlar is the whole of Ashlar in one binary: the client, both kinds of
// server, a development cluster and a benchmark. Run it without arguments to see
// what there is.
package main

import (
	"os"
	"path/filepath"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/cli"
)

// version is set by the linker (Makefile, build).
var version string

func main() {
	os.Exit(cli.Main(config(), os.Args[1:]))
}

func config() app.Config {
	cfg := app.Config{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.LookupEnv, Version: version}
	if dir, err := os.UserConfigDir(); err == nil {
		cfg.ConfigFile = filepath.Join(dir, "ashlar", "config.yaml")
	}
	return cfg
}
