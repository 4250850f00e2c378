package transfer

import (
	"context"
	"io"
	"io/fs"
	"mime"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/tree"
)

// Upload puts everything below the folder dir under prefix, which is empty or
// the beginning of names without a "/" at its end.
func Upload(ctx context.Context, cfg Config, dir, bucket, prefix string) (Summary, error) {
	m, err := newMover(cfg)
	if err != nil {
		return Summary{}, err
	}
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/") + "/"
	}
	produce := func(emit func(tree.Item) error) error {
		return tree.Walk(ctx, dir, func(it tree.Item) error {
			m.Progress.Grow(it.Size)
			return emit(it)
		}, func(path string, err error) { m.fail(filepath.Join(dir, path), err) })
	}
	err = run(ctx, m, produce, func(ctx context.Context, it tree.Item) (string, error) {
		return filepath.Join(dir, it.Path), m.putItem(ctx, dir, bucket, prefix+it.Name(), it)
	})
	return m.finish(err)
}

func (m *mover) putItem(ctx context.Context, dir, bucket, name string, it tree.Item) error {
	switch it.Type {
	case fs.ModeDir:
		return counted(&m.folders, m.putText(ctx, bucket, name, "", it))
	case fs.ModeSymlink:
		return counted(&m.links, m.putText(ctx, bucket, name, it.Target, it))
	}
	o, err := PutFile(ctx, m.Client, m.Progress, filepath.Join(dir, it.Path), bucket, name,
		client.WithUserMetadata(it.Metadata()), client.WithContentType(ContentType(name)))
	if err == nil {
		m.files.Add(1)
		m.bytes.Add(o.Size)
	}
	return err
}

func (m *mover) putText(ctx context.Context, bucket, name, text string, it tree.Item) error {
	return attempt(ctx, func() error {
		_, err := m.Client.Put(ctx, bucket, name, strings.NewReader(text), client.WithUserMetadata(it.Metadata()))
		return err
	})
}

// PutFile puts the file at local, and again if the outcome is not known: without
// a precondition that is safe.
func PutFile(ctx context.Context, c *client.Client, p *terminal.Progress, local, bucket, name string, opts ...client.Option) (client.Object, error) {
	f, err := os.Open(local)
	if err != nil {
		return client.Object{}, err
	}
	defer f.Close()
	var object client.Object
	seen := int64(0)
	opts = append(opts, client.WithProgress(func(done int64) {
		if done > seen {
			p.Add(int(done - seen))
			seen = done
		}
	}))
	err = attempt(ctx, func() error {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		object, err = c.Put(ctx, bucket, name, f, opts...)
		return err
	})
	return object, err
}

// ContentType guesses from the name's ending; empty where nothing is known.
func ContentType(name string) string { return mime.TypeByExtension(path.Ext(name)) }
