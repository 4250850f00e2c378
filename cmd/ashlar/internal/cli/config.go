package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/settings"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func configCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the configuration",
	}
	var resolved bool
	view := &cobra.Command{
		Use:   "view",
		Short: "Print the configuration file, or with --resolved every setting and its source",
		Long: "view prints the configuration file. With --resolved it prints every setting of every\n" +
			"command with its value and where that comes from: flag > environment > file > default.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if resolved {
				return viewResolved(a, cmd)
			}
			return viewFile(a)
		},
	}
	view.Flags().BoolVar(&resolved, "resolved", false, "every setting with its source")
	cmd.AddCommand(view)
	return cmd
}

func viewFile(a *app.App) error {
	file := a.Places().File
	if file == "" {
		return protocol.Errorf(protocol.NotFound, "there is no configuration file; %s would be read", a.ConfigFile)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if a.Screen.JSON {
		return a.Screen.Document(map[string]string{"file": file, "text": string(text)})
	}
	a.Screen.Printf("# %s\n%s", file, text)
	return nil
}

func viewResolved(a *app.App, cmd *cobra.Command) error {
	all, err := settings.Resolved(cmd, a.Places())
	if err != nil {
		return err
	}
	if a.Screen.JSON {
		return a.Screen.Document(all)
	}
	rows := [][]string{{"SETTING", "VALUE", "SOURCE"}}
	for _, s := range all {
		rows = append(rows, []string{s.Key, terminal.Safe(s.Value), s.Source})
	}
	return a.Screen.Table(rows)
}
