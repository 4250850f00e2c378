package proxy

import (
	"bufio"
	"strings"
	"testing"
)

// What is taken apart is put together as it was.
func TestRequestsKeepTheirForm(t *testing.T) {
	for _, want := range []string{
		"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
		"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nz",
		"GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		if raw, err := next(bufio.NewReader(strings.NewReader(want))); err != nil || string(raw) != want {
			t.Errorf("%q became %q, %v", want, raw, err)
		}
	}
}
