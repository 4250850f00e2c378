package dispatch

import "github.com/prometheus/client_golang/prometheus"

// metrics are the numbers that the loops keep about themselves.
type metrics struct {
	steps, expired, compared prometheus.Counter
	unreachable              prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		steps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ashlar_meta_unreference_steps_total",
			Help: "Steps that took references of ended objects back.",
		}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ashlar_meta_sessions_expired_total",
			Help: "Idle sessions that this leader had expired.",
		}),
		compared: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ashlar_meta_digests_compared_total",
			Help: "Rounds in which this leader had the replicas compare digests.",
		}),
		unreachable: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ashlar_meta_unreachable_nodes",
			Help: "Blockservers that do not answer this leader's pings.",
		}),
	}
	reg.MustRegister(m.steps, m.expired, m.compared, m.unreachable)
	return m
}
