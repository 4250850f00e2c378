package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seed-7d21a5b5/ashlar/cmd/embedded"
	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ashlar": main})
}

// TestScripts runs the command as a process of its own, against one real cluster
// in this one; each script has a bucket to itself.
func TestScripts(t *testing.T) { runScripts(t, "script", embedded.Config{}) }

// TestFleetScripts runs those that change who is in the cluster, on one of their own.
func TestFleetScripts(t *testing.T) {
	runScripts(t, "fleet", embedded.Config{Blockservers: 4, Timing: dispatch.Timing{PingEvery: 100 * time.Millisecond, WriterWait: 50 * time.Millisecond}})
}

func runScripts(t *testing.T, dir string, cfg embedded.Config) {
	cfg.Dir, cfg.Logger = t.TempDir(), slog.New(slog.DiscardHandler)
	cluster, err := embedded.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = cluster.Close(ctx)
	})
	t.Run("scripts", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:                 filepath.Join("testdata", dir),
			RequireExplicitExec: true,
			Setup: func(env *testscript.Env) error {
				env.Setenv("ASHLAR_ENDPOINTS", strings.Join(cluster.Endpoints(), ","))
				env.Setenv("BUCKET", "b-"+strings.ToLower(filepath.Base(env.WorkDir)))
				env.Setenv("HOME", env.WorkDir)
				env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, ".config"))
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"apply":    applyPlanned,
				"random":   writeRandom,
				"exits":    exits,
				"waitfor":  waitFor,
				"sametree": sameTree,
				"fifo":     makeFIFO,
			},
		})
	})
}

func TestConfigNamesTheDefaultFile(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if cfg := config(); cfg.ConfigFile != filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "ashlar", "config.yaml") {
		t.Fatalf("got %s", cfg.ConfigFile)
	}
}
