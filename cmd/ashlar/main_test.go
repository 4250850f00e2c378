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
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ashlar": main})
}

// TestScripts runs the command as a process of its own, against one real cluster
// in this one; each script has a bucket to itself.
func TestScripts(t *testing.T) {
	cluster, err := embedded.Start(t.Context(), embedded.Config{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
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
			Dir:                 filepath.Join("testdata", "script"),
			RequireExplicitExec: true,
			Setup: func(env *testscript.Env) error {
				env.Setenv("ASHLAR_ENDPOINTS", strings.Join(cluster.Endpoints(), ","))
				env.Setenv("BUCKET", "b-"+strings.ToLower(filepath.Base(env.WorkDir)))
				env.Setenv("HOME", env.WorkDir)
				env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, ".config"))
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
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
