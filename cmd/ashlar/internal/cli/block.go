package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/tree"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func blockCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "block",
		Short: "Store, read and describe single blocks",
		Long: "block works below objects, on content-addressed blocks of up to 16 MiB. A block that no\n" +
			"object refers to is garbage, and will be deleted.",
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "put FILE|-", Short: "Store one block and print its hash", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return blockPut(cmd.Context(), a, args[0]) },
		},
		&cobra.Command{
			Use: "get HASH [FILE|-]", Short: "Read one block, to standard output by default", Args: cobra.RangeArgs(1, 2),
			RunE: func(cmd *cobra.Command, args []string) error {
				return blockGet(cmd.Context(), a, args[0], append(args, "-")[1])
			},
		},
		&cobra.Command{
			Use: "stat HASH", Short: "Describe one block: phase, references, copies", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return blockStat(cmd.Context(), a, args[0]) },
		},
	)
	return cmd
}

func blockPut(ctx context.Context, a *app.App, from string) error {
	in := interruptible(ctx, a.In)
	if from != "-" {
		f, err := os.Open(from)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	plain, err := io.ReadAll(io.LimitReader(in, protocol.MaxBlockSize+1))
	if err != nil {
		return err
	}
	if len(plain) > protocol.MaxBlockSize {
		return protocol.Errorf(protocol.TooLarge, "a block has at most %s; `ashlar put` stores more", terminal.Bytes(protocol.MaxBlockSize))
	}
	c, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	hash, err := c.PutBlock(ctx, plain)
	if err != nil {
		return err
	}
	if a.Screen.JSON {
		return a.Screen.Record(map[string]any{"hash": hash, "size": len(plain)})
	}
	a.Screen.Printf("%s\n", hash)
	return nil
}

func blockGet(ctx context.Context, a *app.App, digits, to string) error {
	hash, err := protocol.ParseHash(digits)
	if err != nil {
		return err
	}
	c, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	plain, err := c.GetBlock(ctx, hash)
	if err != nil {
		return err
	}
	if to == "-" {
		_, err = a.Out.Write(plain)
		return err
	}
	return tree.Save(to, tree.Item{}, func(w io.Writer) error {
		_, err := w.Write(plain)
		return err
	})
}

// plural counts things in words.
func plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
