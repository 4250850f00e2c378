package store_test

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/blockserver/durable/crashfs"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/storetest"
)

func TestConformanceReal(t *testing.T) {
	storetest.Run(t, func(t testing.TB) (durable.FS, string) {
		dir := t.TempDir()
		fs, err := durable.OpenReal(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := fs.Close(); err != nil {
				t.Error(err)
			}
		})
		return fs, dir
	})
}

func TestConformanceCrashFS(t *testing.T) {
	storetest.Run(t, func(testing.TB) (durable.FS, string) {
		return crashfs.New(crashfs.Config{}), "memory"
	})
}
