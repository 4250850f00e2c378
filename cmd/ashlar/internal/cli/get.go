package cli

import (
	"context"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/place"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/tree"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

type getFlags struct {
	offset, length string
	ifVersion      string
}

func getCommand(a *app.App) *cobra.Command {
	var f getFlags
	cmd := &cobra.Command{
		Use:   "get BUCKET/KEY [FILE|-]",
		Short: "Read an object into a file or to standard output",
		Long: "get reads an object into FILE, by default a file of the key's last part in this folder;\n" +
			"\"-\" is standard output. Every byte is verified against the hash of its block. The file\n" +
			"is written beside its name and renamed when it is complete; a pipe or a device is\n" +
			"written to.",
		Example: "  ashlar get docs/notes.txt\n  ashlar get big/disk.img - --offset 1GiB --length 1MiB | sha256sum",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := place.ParseObject(args[0])
			if err != nil {
				return err
			}
			to := path.Base(o.Key)
			if len(args) == 2 {
				to = args[1]
			}
			return f.get(cmd.Context(), a, o, to)
		},
	}
	cmd.Flags().StringVar(&f.offset, "offset", "", "begin at this `size` of the object, as in 64MiB")
	cmd.Flags().StringVar(&f.length, "length", "", "read this `size` only")
	cmd.Flags().StringVar(&f.ifVersion, "if-version", "", "only if the object still is this `version`")
	return cmd
}

// got is the JSON of get.
type got struct {
	client.Object
	Path  string       `json:"path"`
	Bytes int64        `json:"bytes"`
	Stats client.Stats `json:"stats"`
}

func (f *getFlags) get(ctx context.Context, a *app.App, o place.Object, to string) error {
	opts, err := f.options()
	if err != nil {
		return err
	}
	answer := got{Path: to}
	opts = append(opts, client.WithStats(&answer.Stats))
	c, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	r, err := c.Get(ctx, o.Bucket, o.Key, opts...)
	if err != nil {
		return err
	}
	answer.Object = r.Object()
	answer.Bytes, err = f.save(a, r, to)
	if closed := r.Close(); err == nil {
		err = closed
	}
	if err != nil || to == "-" {
		return err
	}
	if a.Screen.JSON {
		return a.Screen.Record(answer)
	}
	a.Screen.Printf("%s  %s\n", terminal.Safe(to), terminal.Bytes(uint64(answer.Bytes)))
	return nil
}

func (f *getFlags) save(a *app.App, r *client.Reader, to string) (int64, error) {
	if to == "-" {
		return io.Copy(a.Out, r)
	}
	if info, err := os.Stat(to); err == nil && info.IsDir() {
		to = filepath.Join(to, path.Base(r.Object().Name))
	}
	it := f.item(r.Object(), filepath.Base(to))
	p := a.Screen.Progress(it.Path, f.expect(r.Object().Size))
	defer p.Done()
	var n int64
	err := tree.Save(to, it, func(w io.Writer) (err error) {
		n, err = io.Copy(p.Writer(w), r)
		return err
	})
	return n, err
}

// item takes mode and time from the object where it has them and they make
// sense; a part of an object has neither.
func (f *getFlags) item(o client.Object, base string) tree.Item {
	it, err := tree.FromObject(base, o.Size, o.UserMetadata)
	if err != nil || it.Type != 0 || f.offset != "" || f.length != "" {
		return tree.Item{Path: base, Size: o.Size}
	}
	return it
}

func (f *getFlags) expect(size int64) int64 {
	offset, _ := size64(f.offset)
	length, _ := size64(f.length)
	if length > 0 {
		return min(length, size-offset)
	}
	return size - offset
}

func (f *getFlags) options() ([]client.Option, error) {
	var opts []client.Option
	offset, err := size64(f.offset)
	if err != nil {
		return nil, err
	}
	length, err := size64(f.length)
	if err != nil {
		return nil, err
	}
	if f.offset != "" || f.length != "" {
		opts = append(opts, client.WithRange(offset, length))
	}
	if f.ifVersion != "" {
		v, err := protocol.ParseVersion(f.ifVersion)
		if err != nil {
			return nil, err
		}
		opts = append(opts, client.IfVersion(v))
	}
	return opts, nil
}

// size64 reads a size; empty is 0.
func size64(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := terminal.ParseBytes(text)
	if err == nil && n > math.MaxInt64 {
		err = protocol.Errorf(protocol.InvalidArgument, "%s is too large a size", text)
	}
	return int64(n), err
}
