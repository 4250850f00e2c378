package terminal

import (
	"io"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Progress counts bytes in a bar, or does nothing where there is no terminal.
// It is safe for concurrent use.
type Progress struct {
	all   *mpb.Progress
	bar   *mpb.Bar
	total atomic.Int64
}

// Progress starts a bar; total is in bytes, 0 where Grow tells it later.
func (s *Screen) Progress(label string, total int64) *Progress {
	if !s.Live || s.JSON {
		return &Progress{}
	}
	all := mpb.New(mpb.WithOutput(s.Err), mpb.WithWidth(40))
	bar := all.AddBar(0,
		mpb.PrependDecorators(decor.Name(label+" ")),
		mpb.AppendDecorators(
			decor.CountersKibiByte("% .1f / % .1f"),
			decor.Name("  "),
			decor.AverageSpeed(decor.SizeB1024(0), "% .1f"),
		),
		mpb.BarRemoveOnComplete(),
	)
	p := &Progress{all: all, bar: bar}
	p.Grow(total)
	return p
}

// Grow raises the total by n bytes.
func (p *Progress) Grow(n int64) {
	if p.bar != nil {
		p.bar.SetTotal(p.total.Add(n), false)
	}
}

// Add counts n bytes done.
func (p *Progress) Add(n int) {
	if p.bar != nil {
		p.bar.IncrBy(n)
	}
}

// Done removes the bar.
func (p *Progress) Done() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.all.Wait()
	}
}

// Reader counts what is read from r.
func (p *Progress) Reader(r io.Reader) io.Reader {
	if p.bar == nil {
		return r
	}
	return &countingReader{r, p}
}

// Writer counts what is written to w.
func (p *Progress) Writer(w io.Writer) io.Writer {
	if p.bar == nil {
		return w
	}
	return &countingWriter{w, p}
}

type countingReader struct {
	r io.Reader
	p *Progress
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.p.Add(n)
	return n, err
}

type countingWriter struct {
	w io.Writer
	p *Progress
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.p.Add(n)
	return n, err
}
