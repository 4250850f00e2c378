package report

import (
	"fmt"
	"strings"
)

// CopiesText tells people how many copies a block is to have, and which of its
// references ask for how many where not all ask for the cluster's.
func CopiesText(redundancy uint32, byRedundancy []uint64) string {
	text := fmt.Sprintf("%d wanted", redundancy)
	if own := OwnCopiesText(byRedundancy); own != "" {
		text += ": " + own
		if n := byRedundancy[0]; n > 0 {
			text += fmt.Sprintf(", %d for the cluster's", n)
		}
	}
	return text
}

// OwnCopiesText tells how many references ask for a number of copies of their own;
// empty if none does.
func OwnCopiesText(byRedundancy []uint64) string {
	var parts []string
	for r, n := range byRedundancy {
		if r == 0 || n == 0 {
			continue
		}
		ask := "references ask"
		if n == 1 {
			ask = "reference asks"
		}
		if len(parts) > 0 {
			parts = append(parts, fmt.Sprintf("%d for %d", n, r))
			continue
		}
		parts = append(parts, fmt.Sprintf("%d %s for %d", n, ask, r))
	}
	return strings.Join(parts, ", ")
}
