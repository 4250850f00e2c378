package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Compare tells how the folders a and b differ, as `diff -r` would and in modes,
// times and links besides: one line a difference, at most limit of them.
func Compare(ctx context.Context, a, b string, limit int) ([]string, error) {
	left, err := collect(ctx, a)
	if err != nil {
		return nil, err
	}
	right, err := collect(ctx, b)
	if err != nil {
		return nil, err
	}
	var out []string
	err = Walk(ctx, a, func(it Item) error {
		if len(out) >= limit {
			return nil
		}
		other, found := right[it.Path]
		if !found {
			out = append(out, "only in "+a+": "+it.Path)
			return nil
		}
		difference, err := differ(a, b, it, other)
		if difference != "" {
			out = append(out, it.Path+": "+difference)
		}
		return err
	}, func(string, error) {})
	for path := range right {
		if _, found := left[path]; !found && len(out) < limit {
			out = append(out, "only in "+b+": "+path)
		}
	}
	return out, err
}

func collect(ctx context.Context, dir string) (map[string]Item, error) {
	items := map[string]Item{}
	err := Walk(ctx, dir, func(it Item) error {
		items[it.Path] = it
		return nil
	}, func(string, error) {})
	return items, err
}

// differ tells how two items of one path differ; empty if they do not.
func differ(a, b string, x, y Item) (string, error) {
	switch {
	case x.Type != y.Type:
		return fmt.Sprintf("is %v there and %v here", x.Type, y.Type), nil
	case x.Type == fs.ModeSymlink:
		if x.Target != y.Target {
			return fmt.Sprintf("links to %q and %q", x.Target, y.Target), nil
		}
		return "", nil
	case x.Mode != y.Mode:
		return fmt.Sprintf("mode %v and %v", x.Mode, y.Mode), nil
	case x.Type == fs.ModeDir:
		return "", nil
	case !x.Modified.Equal(y.Modified):
		return fmt.Sprintf("modified %v and %v", x.Modified, y.Modified), nil
	case x.Size != y.Size:
		return fmt.Sprintf("%d bytes and %d", x.Size, y.Size), nil
	}
	same, err := sameBytes(filepath.Join(a, x.Path), filepath.Join(b, y.Path))
	if err == nil && !same {
		return "other bytes", nil
	}
	return "", err
}

func sameBytes(a, b string) (bool, error) {
	x, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer x.Close()
	y, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer y.Close()
	p, q := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errX := io.ReadFull(x, p)
		m, errY := io.ReadFull(y, q)
		if !bytes.Equal(p[:n], q[:m]) {
			return false, nil
		}
		if errX != nil || errY != nil {
			return true, ended(errX, errY)
		}
	}
}

// ended returns the first error that is not the end of a file.
func ended(errs ...error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
	}
	return nil
}
