package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/embedded"
)

// exampleCluster starts a small throw-away cluster. In a test of yours,
// ashlartest.Start(t) does all of this.
func exampleCluster(ctx context.Context) (*client.Client, func(), error) {
	dir, err := os.MkdirTemp("", "ashlar-example-")
	if err != nil {
		return nil, nil, err
	}
	cluster, err := embedded.Start(ctx, embedded.Config{Dir: dir, Metaservers: 1, Blockservers: 1})
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	end := func() error { return errors.Join(cluster.Close(ctx), os.RemoveAll(dir)) }
	c, err := client.Open(ctx, client.Config{Endpoints: cluster.Endpoints()})
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return c, func() {
		if err := errors.Join(c.Close(), end()); err != nil {
			fmt.Println(err)
		}
	}, nil
}

// A put and a get, what is left out of error handling aside.
func Example() {
	ctx := context.Background()
	c, stop, err := exampleCluster(ctx) // or client.Open with your endpoints
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()

	obj, err := c.Put(ctx, "backups", "notes/monday.txt", strings.NewReader("squared stones"), client.WithContentType("text/plain"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(obj.Name, obj.Size, "bytes")

	r, err := c.Get(ctx, "backups", "notes/monday.txt")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	fmt.Printf("%s %v\n", content, err)

	_, err = c.Get(ctx, "backups", "notes/tuesday.txt")
	fmt.Println(errors.Is(err, client.ErrNotFound))
	// Output:
	// notes/monday.txt 14 bytes
	// squared stones <nil>
	// true
}

// Two writers agree on who was first, without a lock.
func ExampleIfAbsent() {
	ctx := context.Background()
	c, stop, err := exampleCluster(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()

	for _, who := range []string{"ann", "bob"} {
		_, err := c.Put(ctx, "elections", "leader", strings.NewReader(who), client.IfAbsent())
		switch {
		case err == nil:
			fmt.Println(who, "leads")
		case errors.Is(err, client.ErrPreconditionFailed):
			fmt.Println(who, "follows")
		default:
			fmt.Println(err)
		}
	}
	// Output:
	// ann leads
	// bob follows
}

// A change that must not undo another one: read, decide, and write only if
// nothing moved on.
func ExampleIfVersion() {
	ctx := context.Background()
	c, stop, err := exampleCluster(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()

	first, _ := c.Put(ctx, "settings", "limits", strings.NewReader("10"))
	_, _ = c.Put(ctx, "settings", "limits", strings.NewReader("20"))
	_, err = c.Put(ctx, "settings", "limits", strings.NewReader("11"), client.IfVersion(first.Version))
	fmt.Println(errors.Is(err, client.ErrPreconditionFailed))
	// Output: true
}

// Folders are prefixes of names.
func ExampleClient_List() {
	ctx := context.Background()
	c, stop, err := exampleCluster(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()

	for _, name := range []string{"readme", "src/a.go", "src/b.go", "src/deep/c.go"} {
		if _, err := c.Put(ctx, "code", name, strings.NewReader("x")); err != nil {
			fmt.Println(err)
		}
	}
	for e, err := range c.List(ctx, "code", client.WithPrefix("src/"), client.WithDelimiter("/")) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(e.Key(), e.IsPrefix())
	}
	// Output:
	// src/a.go false
	// src/b.go false
	// src/deep/ true
}

// A range reads only the blocks that it needs.
func ExampleWithRange() {
	ctx := context.Background()
	c, stop, err := exampleCluster(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()

	var b strings.Builder
	for i := range 500_000 {
		fmt.Fprintf(&b, "line %06d\n", i)
	}
	if _, err := c.Put(ctx, "logs", "today", strings.NewReader(b.String())); err != nil {
		fmt.Println(err)
	}
	r, err := c.Get(ctx, "logs", "today", client.WithRange(12*400_000, 11))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	line, err := io.ReadAll(r)
	fmt.Println(string(line), err)
	fmt.Println("blocks fetched:", r.Stats().BlocksFetched, "of", r.Object().Blocks)
	// Output:
	// line 400000 <nil>
	// blocks fetched: 1 of 6
}
