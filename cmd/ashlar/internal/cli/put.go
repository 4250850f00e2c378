package cli

import (
	"context"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/place"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/transfer"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/tree"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

type putFlags struct {
	ifAbsent    bool
	ifVersion   string
	contentType string
	meta        []string
	blockSize   string
	byContent   bool
	parallel    int
}

func putCommand(a *app.App) *cobra.Command {
	var f putFlags
	cmd := &cobra.Command{
		Use:   "put FILE|-|DIR BUCKET/KEY",
		Short: "Store a file, standard input or a folder",
		Long: "put stores a file's bytes as the object BUCKET/KEY. \"-\" reads standard input. A key\n" +
			"that ends in \"/\", or a bucket alone, takes the file's own name below it. A folder is\n" +
			"stored as `ashlar cp -r` does.",
		Example: "  ashlar put notes.txt docs/notes.txt\n  tar c . | ashlar put - backups/today.tar",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if info, err := os.Stat(args[0]); err == nil && info.IsDir() {
				return upload(cmd.Context(), a, f.parallel, args[0], args[1])
			}
			return f.put(cmd.Context(), a, args[0], args[1])
		},
	}
	cmd.Flags().BoolVar(&f.ifAbsent, "if-absent", false, "only if there is no such object")
	cmd.Flags().StringVar(&f.ifVersion, "if-version", "", "only if the object still is this `version`")
	cmd.Flags().StringVar(&f.contentType, "content-type", "", "content `type` (default: by the key's ending)")
	cmd.Flags().StringArrayVar(&f.meta, "meta", nil, "user metadata, as `KEY=VALUE`; may be repeated")
	cmd.Flags().StringVar(&f.blockSize, "block-size", "", "`size` of blocks, 1KiB to 16MiB (default 1MiB)")
	cmd.Flags().BoolVar(&f.byContent, "cut-by-content", false, "cut blocks where the content says so")
	cmd.Flags().IntVar(&f.parallel, "parallel", transfer.DefaultParallel, "files in flight, for a folder")
	cmd.MarkFlagsMutuallyExclusive("if-absent", "if-version")
	return cmd
}

func (f *putFlags) put(ctx context.Context, a *app.App, from, to string) error {
	if from == "-" && (!strings.Contains(strings.TrimPrefix(to, place.Scheme), "/") || strings.HasSuffix(to, "/")) {
		return protocol.Errorf(protocol.InvalidArgument, "standard input has no name of its own; write BUCKET/KEY")
	}
	o, err := destination(from, to)
	if err != nil {
		return err
	}
	metadata, err := f.metadata()
	if err != nil {
		return err
	}
	opts, err := f.options(o)
	if err != nil {
		return err
	}
	if from != "-" {
		info, err := os.Stat(from)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return f.stream(ctx, a, from, o, append(opts, client.WithUserMetadata(metadata)))
		}
		it := tree.Item{Mode: info.Mode().Perm(), Modified: info.ModTime(), Size: info.Size()}
		for k, v := range it.Metadata() {
			if _, given := metadata[k]; !given {
				metadata[k] = v
			}
		}
		return f.file(ctx, a, from, o, info.Size(), append(opts, client.WithUserMetadata(metadata)))
	}
	return f.stream(ctx, a, from, o, append(opts, client.WithUserMetadata(metadata)))
}

func (f *putFlags) file(ctx context.Context, a *app.App, from string, o place.Object, size int64, opts []client.Option) error {
	c, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	p := a.Screen.Progress(filepath.Base(from), size)
	object, err := func() (client.Object, error) {
		defer p.Done()
		if f.ifAbsent || f.ifVersion != "" {
			return putOnce(ctx, c, p, from, o, opts)
		}
		return transfer.PutFile(ctx, c, p, from, o.Bucket, o.Key, opts...)
	}()
	if err != nil {
		return err
	}
	return printPut(a, object)
}

// putOnce tries once: with a precondition, a second attempt after an unknown
// outcome would answer for the first.
func putOnce(ctx context.Context, c *client.Client, p *terminal.Progress, from string, o place.Object, opts []client.Option) (client.Object, error) {
	file, err := os.Open(from)
	if err != nil {
		return client.Object{}, err
	}
	defer file.Close()
	return c.Put(ctx, o.Bucket, o.Key, p.Reader(file), opts...)
}

func (f *putFlags) stream(ctx context.Context, a *app.App, from string, o place.Object, opts []client.Option) error {
	r := interruptible(ctx, a.In)
	if from != "-" {
		file, err := os.Open(from)
		if err != nil {
			return err
		}
		defer file.Close()
		r = file
	}
	c, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	object, err := c.Put(ctx, o.Bucket, o.Key, r, opts...)
	if err != nil {
		return err
	}
	return printPut(a, object)
}

// interruptible reads r until ctx ends: a read of a terminal or a pipe that
// nobody writes to does not return by itself.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	pr, pw := io.Pipe()
	context.AfterFunc(ctx, func() { _ = pw.CloseWithError(context.Cause(ctx)) })
	go func() {
		_, err := io.Copy(pw, r)
		_ = pw.CloseWithError(err)
	}()
	return pr
}

func (f *putFlags) metadata() (map[string]string, error) {
	m := map[string]string{}
	for _, pair := range f.meta {
		key, value, found := strings.Cut(pair, "=")
		if !found {
			return nil, protocol.Errorf(protocol.InvalidArgument, "--meta is KEY=VALUE, not %s", protocol.Quote(pair))
		}
		m[key] = value
	}
	return m, nil
}

func (f *putFlags) options(o place.Object) ([]client.Option, error) {
	var opts []client.Option
	if f.ifAbsent {
		opts = append(opts, client.IfAbsent())
	}
	if f.ifVersion != "" {
		v, err := protocol.ParseVersion(f.ifVersion)
		if err != nil {
			return nil, err
		}
		opts = append(opts, client.IfVersion(v))
	}
	contentType := f.contentType
	if contentType == "" {
		contentType = transfer.ContentType(o.Key)
	}
	opts = append(opts, client.WithContentType(contentType))
	if f.blockSize != "" {
		n, err := terminal.ParseBytes(f.blockSize)
		if err != nil {
			return nil, err
		}
		opts = append(opts, client.WithBlockSize(int(min(n, 1<<30))))
	}
	if f.byContent {
		opts = append(opts, client.CutByContent())
	}
	return opts, nil
}

// destination is the object that from goes to: a place that ends in "/", or a
// bucket alone, takes from's own name below it.
func destination(from, to string) (place.Object, error) {
	o, err := place.ParsePrefix(to)
	if err != nil {
		return o, err
	}
	if o.Key == "" || strings.HasSuffix(o.Key, "/") {
		o.Key = path.Join(o.Key, filepath.Base(from))
	}
	return o, protocol.CheckName(o.Key)
}

func printPut(a *app.App, o client.Object) error {
	if a.Screen.JSON {
		return a.Screen.Record(o)
	}
	a.Screen.Printf("%s/%s  %s  version %s\n", o.Bucket, terminal.Safe(o.Name), terminal.Bytes(uint64(o.Size)), o.Version)
	return nil
}
