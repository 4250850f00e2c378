package integration_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// The plain copies that a rebuild is held against.
const (
	limitCp      = "cp -r, then fsync"
	limitDurable = "cp, each file durable"
)

// report gathers what a run has measured.
type report struct {
	title string
	rows  []copiedRow
	felt  []feltRow
	t     *testing.T
}

type copiedRow struct {
	name  string
	bytes int64
	took  time.Duration
}

type feltRow struct {
	name           string
	before, during latencies
}

// of has what is gathered logged by t at once, beside the tables.
func (r *report) of(t *testing.T) *report {
	r.t = t
	return r
}

// copied notes how long bytes took; a plain copy goes before what it is held
// against.
func (r *report) copied(name string, bytes int64, took time.Duration) {
	r.rows = append(r.rows, copiedRow{name, bytes, took})
	r.t.Logf("%s: %d bytes in %v", name, bytes, took)
}

// noticed notes the foreground.
func (r *report) noticed(name string, before, during latencies) {
	r.felt = append(r.felt, feltRow{name, before, during})
}

// String is the tables.
func (r *report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r.title)
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "WHAT\tMiB\tSECONDS\tMiB/s\tOF CP\tOF DURABLE CP\t\n")
	speeds := map[string]float64{}
	for _, row := range r.rows {
		mib := float64(row.bytes) / (1 << 20)
		speed := mib / row.took.Seconds()
		if row.name == limitCp {
			clear(speeds)
		}
		speeds[row.name] = speed
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.0f\t%s\t%s\t\n", row.name, mib, row.took.Seconds(), speed, share(speed, speeds[limitCp]), share(speed, speeds[limitDurable]))
	}
	_ = w.Flush()
	fmt.Fprintf(&b, "\n")
	fmt.Fprintf(w, "FOREGROUND\tCOUNT\tP50 BEFORE\tP99 BEFORE\tCOUNT\tP50 DURING\tP99 DURING\tP99 RATIO\t\n")
	for _, row := range r.felt {
		feltLine(w, row.name+": put 256 KiB", row.before.puts, row.during.puts)
		feltLine(w, row.name+": get 1 MiB", row.before.gets, row.during.gets)
	}
	_ = w.Flush()
	return b.String()
}

// share is of a speed that was measured before.
func share(speed, of float64) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100*speed/of)
}

func feltLine(w *tabwriter.Writer, name string, before, during []time.Duration) {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
	ratio := float64(quantile(during, 0.99)) / float64(max(quantile(before, 0.99), 1))
	fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%d\t%s\t%s\t%.1f\t\n", name,
		len(before), ms(quantile(before, 0.5)), ms(quantile(before, 0.99)),
		len(during), ms(quantile(during, 0.5)), ms(quantile(during, 0.99)), ratio)
}

// copyThenSync copies a folder with cp, then syncs each file.
func copyThenSync(from, to string) (bytes int64, err error) {
	if text, err := exec.Command("cp", "-r", from, to).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("cp: %w: %s", err, text)
	}
	err = eachFile(to, func(path string, size int64) error {
		bytes += size
		return syncPath(path)
	})
	return bytes, err
}

// copyDurably copies a folder file after file, each synced with its name before
// the next is begun.
func copyDurably(from, to string) (bytes int64, err error) {
	err = eachFile(from, func(path string, size int64) error {
		bytes += size
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target+".tmp", content, 0o644); err != nil {
			return err
		}
		if err := syncPath(target + ".tmp"); err != nil {
			return err
		}
		if err := os.Rename(target+".tmp", target); err != nil {
			return err
		}
		return syncPath(filepath.Dir(target))
	})
	return bytes, err
}

func eachFile(dir string, fn func(path string, size int64) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return fn(path, info.Size())
	})
}

// syncPath syncs a file or folder.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = f.Sync()
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
