package protocol

import "strconv"

// Quote makes any string safe to print in a log line, an error or a terminal:
// control characters, quotes and invalid UTF-8 are escaped as Go does it.
func Quote(s string) string { return strconv.Quote(s) }
