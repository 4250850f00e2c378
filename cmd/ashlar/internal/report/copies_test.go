package report

import "testing"

func TestCopiesText(t *testing.T) {
	for _, c := range []struct {
		redundancy uint32
		by         []uint64
		want       string
	}{
		{3, nil, "3 wanted"},
		{3, []uint64{7, 0}, "3 wanted"},
		{1, []uint64{0, 1}, "1 wanted: 1 reference asks for 1"},
		{5, []uint64{2, 3, 0, 0, 0, 1}, "5 wanted: 3 references ask for 1, 1 for 5, 2 for the cluster's"},
	} {
		if got := CopiesText(c.redundancy, c.by); got != c.want {
			t.Errorf("%d, %v: %q, not %q", c.redundancy, c.by, got, c.want)
		}
	}
}
