// Command sum prints one table of the results that torture campaigns have left in
// several folders, as Markdown:
//
//	go run ./integration/torture/sum DIR...
//
// A campaign may have been ended early by anything; what its runs showed until then
// counts.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/seed-7d21a5b5/ashlar/integration/torture"
)

func main() {
	if err := sum(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sum:", err)
		os.Exit(1)
	}
}

// sum prints the table of all folders.
func sum(dirs []string) error {
	if len(dirs) == 0 {
		return errors.New("say the folders of the campaigns: sum DIR, and more if there are")
	}
	table := &torture.Table{}
	for _, dir := range dirs {
		results, err := torture.Load(dir)
		if err != nil {
			return err
		}
		for _, r := range results {
			table.Add(r)
		}
	}
	return table.Markdown(os.Stdout)
}
