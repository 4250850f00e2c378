package transfer

import (
	"context"
	"io"
	"io/fs"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/tree"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// maxTarget bounds the bytes of a symbolic link's object.
const maxTarget = 4096

// Download gets everything under prefix into the folder dir; a name's path below
// dir is what follows prefix and its "/".
func Download(ctx context.Context, cfg Config, bucket, prefix, dir string) (Summary, error) {
	m, err := newMover(cfg)
	if err != nil {
		return Summary{}, err
	}
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/") + "/"
	}
	target, err := tree.OpenTarget(dir)
	if err != nil {
		return Summary{}, err
	}
	found := false
	produce := func(emit func(client.Entry) error) error {
		for entry, err := range m.Client.List(ctx, bucket, client.WithPrefix(prefix)) {
			if err != nil {
				return err
			}
			if entry.Name == prefix {
				continue
			}
			found = true
			m.Progress.Grow(entry.Size)
			if err := emit(entry); err != nil {
				return err
			}
		}
		return nil
	}
	err = run(ctx, m, produce, func(ctx context.Context, e client.Entry) (string, error) {
		return bucket + "/" + e.Name, attempt(ctx, func() error { return m.getItem(ctx, target, e, prefix) })
	})
	if closed := target.Close(); err == nil {
		err = closed
	}
	if err == nil && !found {
		err = protocol.Errorf(protocol.NotFound, "no object begins with %s/%s", bucket, prefix)
	}
	return m.finish(err)
}

func (m *mover) getItem(ctx context.Context, target *tree.Target, e client.Entry, prefix string) error {
	r, err := m.Client.Get(ctx, e.Bucket, e.Name)
	if err != nil {
		return err
	}
	defer r.Close()
	o := r.Object()
	it, err := tree.FromObject(strings.TrimPrefix(e.Name, prefix), o.Size, o.UserMetadata)
	if err != nil {
		return err
	}
	switch it.Type {
	case fs.ModeDir:
		return counted(&m.folders, target.Folder(it))
	case fs.ModeSymlink:
		text, err := io.ReadAll(io.LimitReader(r, maxTarget+1))
		if err != nil {
			return err
		}
		it.Target = string(text)
		return counted(&m.links, target.Link(it))
	}
	err = target.File(it, func(w io.Writer) error {
		_, err := io.Copy(m.Progress.Writer(w), r)
		return err
	})
	if err == nil {
		m.files.Add(1)
		m.bytes.Add(o.Size)
	}
	return err
}
