package cli

import (
	"context"
	"fmt"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func blockStat(ctx context.Context, a *app.App, digits string) error {
	hash, err := protocol.ParseHash(digits)
	if err != nil {
		return err
	}
	c, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.StatBlock(ctx, hash)
	if err != nil {
		return err
	}
	if a.Screen.JSON {
		return a.Screen.Document(s)
	}
	rows := [][]string{
		{"hash", s.Hash.String()},
		{"phase", s.Phase + ", " + plural(int64(s.References), "reference")},
		{"size", terminal.Bytes(uint64(s.PlainSize)) + ", stored as " + terminal.Bytes(uint64(s.StoredSize))},
		{"copies", report.CopiesText(uint32(s.Redundancy), s.ReferencesByRedundancy)},
		{"floor", s.Floor.String()},
		{"wanted on", fmt.Sprint(s.Wanted)},
	}
	rows = append(rows, copies("copy", s.Copies)...)
	rows = append(rows, copies("drop", s.Drops)...)
	if len(s.Pending) > 0 {
		rows = append(rows, []string{"pending", fmt.Sprint(s.Pending)})
	}
	return a.Screen.Table(rows)
}

func copies(what string, list []client.BlockCopy) [][]string {
	var rows [][]string
	for _, c := range list {
		line := fmt.Sprintf("node %s at %s", c.Node, c.Version)
		if what == "copy" && !c.Trusted {
			line += ", not trusted"
		}
		rows = append(rows, []string{what, line})
	}
	return rows
}
