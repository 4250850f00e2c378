package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Metrics are the numbers that the verbs keep about themselves.
type Metrics struct {
	requests *prometheus.CounterVec
	proposal prometheus.Histogram
	reports  prometheus.Counter
}

// NewMetrics registers the verbs' metrics at reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ashlar_meta_requests_total",
			Help: "Requests of the client port by verb and kind of the answer.",
		}, []string{"verb", "kind"}),
		proposal: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "ashlar_meta_proposal_duration_seconds",
			Help:    "Time from proposing a command to its result.",
			Buckets: prometheus.ExponentialBuckets(0.0002, 2, 17),
		}),
		reports: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ashlar_meta_reports_total",
			Help: "Complaints of readers about copies.",
		}),
	}
	reg.MustRegister(m.requests, m.proposal, m.reports)
	return m
}

// verb returns a function that counts one answer of the named verb. Success, the
// common case, is looked up once.
func (m *Metrics) verb(name string) func(error) {
	done := m.requests.WithLabelValues(name, "ok")
	return func(err error) {
		if err == nil {
			done.Inc()
			return
		}
		m.requests.WithLabelValues(name, protocol.KindOf(err).String()).Inc()
	}
}
