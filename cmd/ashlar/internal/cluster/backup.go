package cluster

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func backup(a *app.App) *cobra.Command {
	var named string
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the metadata to a file",
		Long: "backup writes the leader's state, all that was acknowledged before and perhaps a little more,\n" +
			"to a new file. Writes go on meanwhile. It holds names and block lists, and objects so small that\n" +
			"they live in metadata; blocks it does not hold. `ashlar metaserver --restore-from FILE` begins a\n" +
			"group from it.",
		Example: "  ashlar cluster backup /backups/ashlar-monday",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return writeBackup(cmd.Context(), a, named, args[0])
		},
	}
	cmd.Flags().StringVar(&named, "admin", "", "admin `address` of any metaserver (default: found through --endpoints)")
	return cmd
}

func writeBackup(ctx context.Context, a *app.App, named, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return protocol.Errorf(protocol.InvalidArgument, "%s exists; a backup is a new file", protocol.Quote(path))
	}
	c, addr, err := leader(ctx, a, named)
	if err != nil {
		return err
	}
	defer c.Close()
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return protocol.Errorf(protocol.Disk, "backup: %w", err)
	}
	cluster, err := c.Backup(ctx, addr, f)
	size, seek := f.Seek(0, io.SeekCurrent)
	if err = errors.Join(err, seek, f.Sync(), f.Close()); err == nil {
		err = publish(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if a.Screen.JSON {
		return a.Screen.Document(map[string]any{"file": path, "bytes": size, "cluster": cluster.String()})
	}
	a.Screen.Printf("%s: %s of metadata of cluster %s\n", path, terminal.Bytes(uint64(size)), cluster)
	return nil
}

// publish gives a complete file its name, durably, unless the name is taken.
func publish(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return protocol.Errorf(protocol.Disk, "backup: %w", err)
	}
	if err := os.Remove(from); err != nil {
		return protocol.Errorf(protocol.Disk, "backup: %w", err)
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return protocol.Errorf(protocol.Disk, "backup: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
