package integration_test

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
)

// TestTwice: the same tree under another name adds names and no stored bytes.
func TestTwice(t *testing.T) {
	c, ctx := start(t, cluster.Config{})
	source := goTree(t, "src/crypto")
	sdk, err := c.Client(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sdk.Close() }()
	copyIn := func(to string) (logical, stored uint64) {
		if text, err := c.Command(ctx, "cp", "-r", source, to).CombinedOutput(); err != nil {
			t.Fatalf("cp: %v: %s", err, text)
		}
		status, err := sdk.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return status.GetCounters().GetLogicalBytes(), status.GetCounters().GetLiveStoredBytes()
	}
	logical, stored := copyIn("src/first")
	twiceLogical, twiceStored := copyIn("src/second")
	t.Logf("logical %d then %d, stored %d then %d", logical, twiceLogical, stored, twiceStored)
	if logical == 0 || stored == 0 || twiceLogical != 2*logical || twiceStored != stored {
		t.Error("the second copy must double the logical bytes and add no stored ones")
	}
	checkSame(t, ctx, c, "src/second", source)
}
