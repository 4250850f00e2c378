package serve

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/blockserver"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Blockserver runs one blockserver.
func Blockserver(a *app.App) *cobra.Command {
	var (
		cfg       blockserver.Config
		data      []string
		maxMemory string
		format    bool
	)
	cmd := &cobra.Command{
		Use:   "blockserver --data DIR --metaservers ADDRESSES",
		Short: "Run one blockserver",
		Long: "blockserver keeps blocks on one or more disks and does what the metaservers' leader says.\n" +
			"Each --data is a folder on a disk of its own, with a capacity after \"=\" if the disk shall not\n" +
			"be filled. A folder that does not exist is made and formatted. One that exists and is empty may\n" +
			"be a disk that is not mounted: it is refused unless --format says that it is a new one. One\n" +
			"that is another node's is refused.\n\n" +
			"From its high watermark until it is below its low one a disk takes no new blocks; what it has\n" +
			"is read, touched and deleted as ever, and clients go to other nodes meanwhile.",
		Example: "  ashlar blockserver --data disk0 --metaservers 127.0.0.1:7400,127.0.0.1:7401\n" +
			"  ashlar blockserver --data /srv/a=4TB --data /srv/b=4TB --zone rack1 --listen 127.0.0.1:7421",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if cfg.Data, err = disks(data); err != nil {
				return err
			}
			if !format {
				if err := refuseEmpty(cfg.Data); err != nil {
					return err
				}
			}
			if maxMemory != "" {
				n, err := terminal.ParseBytes(maxMemory)
				if err != nil {
					return err
				}
				cfg.MaxMemory = int64(min(n, 1<<50))
			}
			if cfg.Logger, err = a.Logger(slog.LevelInfo); err != nil {
				return err
			}
			return blockserver.Run(cmd.Context(), cfg)
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Listen, "listen", "127.0.0.1:7420", "`address` to listen on")
	f.StringVar(&cfg.Advertise, "advertise", "", "`address` that others reach this node at (default: as it listens)")
	f.StringSliceVar(&cfg.Metaservers, "metaservers", []string{app.DefaultEndpoint}, "client `addresses` of metaservers")
	f.StringVar(&cfg.Zone, "zone", "", "`name` of where the node stands, for placement")
	f.StringArrayVar(&data, "data", nil, "data `folder`, or FOLDER=CAPACITY; may be repeated")
	f.BoolVar(&format, "format", false, "format data folders that exist and are empty: they are new disks")
	f.Uint32Var(&cfg.Marks.High, "high-watermark", store.DefaultMarks.High, "`percent` of its capacity from which on a disk takes no new blocks")
	f.Uint32Var(&cfg.Marks.Low, "low-watermark", store.DefaultMarks.Low, "`percent` below which a full disk takes new blocks again")
	f.Uint32Var(&cfg.Marks.Reserve, "repair-reserve", store.DefaultMarks.Reserve, "`percent` below the high watermark that only copies ordered by the leader may take")
	f.StringVar(&maxMemory, "max-memory", "", "`size` that blocks in flight may take (default 256MiB)")
	f.BoolVar(&cfg.Insecure, "insecure", false, "listen beyond loopback without TLS")
	return cmd
}

// refuseEmpty refuses folders that exist and hold nothing: that is what the mount
// point of a missing disk looks like, and a node that took it for a new disk would
// come back as another one.
func refuseEmpty(disks []store.Dir) error {
	for _, d := range disks {
		entries, err := os.ReadDir(d.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return protocol.Errorf(protocol.Disk, "look into data folder: %w", err)
		}
		if len(entries) == 0 || len(entries) == 1 && entries[0].Name() == "lost+found" {
			return protocol.Errorf(protocol.InvalidArgument, "data folder %s is empty: if its disk is not mounted, mount it; if it is a new disk, start once with --format", protocol.Quote(d.Path))
		}
	}
	return nil
}

// disks reads FOLDER or FOLDER=CAPACITY.
func disks(data []string) ([]store.Dir, error) {
	if len(data) == 0 {
		return nil, protocol.Errorf(protocol.InvalidArgument, "--data is required: a folder on each disk")
	}
	var out []store.Dir
	for _, text := range data {
		folder, capacity, limited := text, "", false
		if at := strings.LastIndex(text, "="); at >= 0 {
			folder, capacity, limited = text[:at], text[at+1:], true
		}
		d := store.Dir{Path: folder}
		if limited {
			var err error
			if d.Capacity, err = terminal.ParseBytes(capacity); err != nil {
				return nil, err
			}
		}
		if folder == "" {
			return nil, protocol.Errorf(protocol.InvalidArgument, "--data %s names no folder", protocol.Quote(text))
		}
		out = append(out, d)
	}
	return out, nil
}
