package bench

// Ratio is an operation's rate as a share of a limit's, from the same run.
type Ratio struct {
	Name        string  `json:"name"`
	Concurrency int     `json:"concurrency"`
	Size        int     `json:"size_bytes"`
	Share       float64 `json:"share"`
}

// limitOf names the limit that each operation is compared to.
var limitOf = map[string]string{
	OpPut:    LimitDurable,
	OpGet:    LimitLoopback,
	OpCommit: LimitLog,
	OpLookup: LimitRequest,
	OpStat:   LimitRequest,
}

// Ratios compares each operation with its limit of the same concurrency and, for
// put and get, the same size.
func Ratios(results []Result) []Ratio {
	var out []Ratio
	for _, r := range results {
		for _, l := range results {
			sized := r.Name == OpPut || r.Name == OpGet
			if l.Name != limitOf[r.Name] || l.Concurrency != r.Concurrency || (sized && l.Size != r.Size) || l.PerSecond == 0 {
				continue
			}
			out = append(out, Ratio{r.Name + "/" + l.Name, r.Concurrency, r.Size, r.PerSecond / l.PerSecond})
		}
	}
	return out
}
