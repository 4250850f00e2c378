package fleet

import (
	"testing"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func parse(t *testing.T, args ...string) (*changes, []*pb.NodeChange, error) {
	t.Helper()
	var c changes
	cmd := &cobra.Command{}
	c.bind(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	list, err := c.list()
	return &c, list, err
}

// TestChanges: flags become changes, and are spelt again as they were.
func TestChanges(t *testing.T) {
	c, list, err := parse(t, "--add", "5,6", "--drain", "2", "--cancel-drain", "3", "--weight", "1=2048", "--zone", "4=rack=2", "--zone", "7=")
	if err != nil || len(list) != 7 {
		t.Fatalf("%v, %v", list, err)
	}
	if got, want := words(report.LayoutPlanOf(&pb.LayoutPlanAnswer{Changes: list}).Changes), "add 5, add 6, drain 2, cancel-drain 3, weight 1=2048, zone 4=rack=2, zone 7="; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := c.flags(), " --add 5 --add 6 --drain 2 --cancel-drain 3 --weight 1=2048 --zone 4=rack=2 --zone 7="; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, bad := range [][]string{{"--add", "x"}, {"--add", "0"}, {"--add", "1=2"}, {"--drain", "-1"}, {"--weight", "1"}, {"--weight", "1=much"}, {"--zone", "4"}, {"--weight", "=5"}} {
		if _, _, err := parse(t, bad...); protocol.KindOf(err) != protocol.InvalidArgument {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestProgress(t *testing.T) {
	for want, j := range map[string]report.Job{
		"7 blocks left":                   {BlocksLeft: 7},
		`"b/": 3 objects deleted, 0 kept`: {Kind: "delete", About: `"b/": 3 objects deleted, 0 kept`},
		"3 of 10 blocks, 7 left, 2.0 MiB to move, 1.0 MiB/s, about 1m5s": {BlocksDone: 3, BlocksTotal: 10, BlocksLeft: 7, BytesLeft: 2 << 20, BytesPerSecond: 1 << 20, ETASeconds: 65},
	} {
		if got := Progress(j); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
