package fleet

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client/admin"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Job makes `ashlar job`.
func Job(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "job",
		Short: "Show and cancel what runs for long: sweeps, drains and deletes of prefixes",
		Long: "A sweep brings every block in line with the layout after a change; a drain is what is left on a\n" +
			"node that is to go. Speeds and times left are measured by the leader. A delete is what `ashlar rm -r`\n" +
			"has begun.",
	}
	cmd.AddCommand(jobList(a), jobShow(a), jobCancel(a))
	return cmd
}

func jobList(a *app.App) *cobra.Command {
	var ended bool
	cmd := &cobra.Command{
		Use: "list", Short: "List jobs that run", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return with(cmd.Context(), a, func(ctx context.Context, c *admin.Client) error {
				list, err := c.Jobs(ctx, ended)
				if err != nil {
					return err
				}
				jobs := report.JobsOf(list)
				if a.Screen.JSON {
					return a.Screen.Document(jobs)
				}
				return a.Screen.Table(JobRows(jobs))
			})
		},
	}
	cmd.Flags().BoolVar(&ended, "ended", false, "list those too that have ended lately")
	return cmd
}

// JobRows are a table of jobs.
func JobRows(jobs []report.Job) [][]string {
	rows := [][]string{{"JOB", "KIND", "ABOUT", "STATE", "PROGRESS", "WAITS FOR"}}
	for _, j := range jobs {
		progress := "-"
		if j.State == "running" && j.Kind != "delete" {
			progress = Progress(j)
		}
		rows = append(rows, []string{j.ID, j.Kind, dash(j.About), j.State, progress, dash(j.WaitsFor)})
	}
	return rows
}

func jobShow(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one job", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return with(cmd.Context(), a, func(ctx context.Context, c *admin.Client) error {
				list, err := c.Jobs(ctx, true)
				if err != nil {
					return err
				}
				for _, j := range report.JobsOf(list) {
					if j.ID == args[0] {
						return printJob(a, j)
					}
				}
				return protocol.Errorf(protocol.NotFound, "no job is called %s; `ashlar job list --ended` lists them", protocol.Quote(args[0]))
			})
		},
	}
}

func printJob(a *app.App, j report.Job) error {
	if a.Screen.JSON {
		return a.Screen.Document(j)
	}
	rows := [][]string{
		{"job", j.ID + ", " + j.Kind + ", " + j.About},
		{"state", j.State},
		{"started", at(j.StartedUnixMs)},
	}
	if j.State == "running" {
		rows = append(rows, []string{"progress", Progress(j)}, []string{"waits for", dash(j.WaitsFor)})
	} else {
		rows = append(rows, []string{"ended", at(j.EndedUnixMs)})
	}
	return a.Screen.Table(rows)
}

func jobCancel(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "cancel ID", Short: "End a job: a sweep marks no more blocks, a drain is taken back, a delete stops", Args: cobra.ExactArgs(1),
		Long: "Blocks that a sweep has marked are still moved; the rest stays where it is until another change of\n" +
			"the layout. What a delete has deleted stays deleted.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return with(cmd.Context(), a, func(ctx context.Context, c *admin.Client) error {
				if err := c.CancelJob(ctx, args[0]); err != nil {
					return err
				}
				if a.Screen.JSON {
					return a.Screen.Document(map[string]any{"id": args[0], "canceled": true})
				}
				a.Screen.Printf("%s is canceled\n", args[0])
				return nil
			})
		},
	}
}
