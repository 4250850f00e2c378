package dispatch

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// metrics are the numbers that the loops keep about themselves.
type metrics struct {
	steps, emptied, prefixSteps, prefixObjects, expired, compared, strays prometheus.Counter
	unreachable                                                           prometheus.Gauge
	// orders by kind, answers by outcome, batches by the kind of failure, commands
	// by name.
	orders, answers, batches, commands *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "ashlar_meta_" + name, Help: help})
	}
	by := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ashlar_meta_" + name, Help: help}, []string{label})
	}
	m := &metrics{
		steps:         counter("unreference_steps_total", "Steps that took references of ended objects back."),
		emptied:       counter("trash_emptied_total", "Trashed objects that this leader had emptied when they were due."),
		prefixSteps:   counter("prefix_steps_total", "Steps of deletes of prefixes."),
		prefixObjects: counter("prefix_objects_total", "Objects that steps of deletes of prefixes ended."),
		expired:       counter("sessions_expired_total", "Idle sessions that this leader had expired."),
		compared:      counter("digests_compared_total", "Rounds in which this leader had the replicas compare digests."),
		strays:        counter("strays_total", "Files seen in inventories that no record counts."),
		unreachable: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ashlar_meta_unreachable_nodes",
			Help: "Blockservers that do not answer this leader's pings.",
		}),
		orders:   by("orders_total", "Orders sent to blockservers.", "kind"),
		answers:  by("order_answers_total", "Answers of blockservers to orders.", "outcome"),
		batches:  by("order_batches_total", "Batches of orders, by the error that ended them.", "error"),
		commands: by("work_commands_total", "Commands of reclamation and repair that this leader proposed.", "command"),
	}
	reg.MustRegister(m.steps, m.emptied, m.prefixSteps, m.prefixObjects, m.expired, m.compared, m.strays, m.unreachable, m.orders, m.answers, m.batches, m.commands)
	return m
}

// batch counts one batch and its answers.
func (m *metrics) batch(q *pb.OrdersRequest, ans *pb.OrdersAnswer, err error) {
	m.batches.WithLabelValues(protocol.KindOf(err).String()).Inc()
	for _, o := range q.Orders {
		m.orders.WithLabelValues(schedule.KindName(o.Kind)).Inc()
	}
	for _, a := range ans.GetAnswers() {
		m.answers.WithLabelValues(a.Outcome.String()).Inc()
	}
}

// command counts one that was applied.
func (m *metrics) command(c *record.Command) {
	name := "other"
	switch c.Body.(type) {
	case *record.Command_Condemn:
		name = "condemn"
	case *record.Command_Drop:
		name = "drop"
	case *record.Command_Deleted:
		name = "deleted"
	case *record.Command_Copied:
		name = "copied"
	case *record.Command_Lost:
		name = "lost"
	case *record.Command_Reap:
		name = "reap"
	case *record.Command_Postpone:
		name = "postpone"
	case *record.Command_CleanNode:
		name = "clean-node"
	case *record.Command_Reindex:
		name = "reindex"
	}
	m.commands.WithLabelValues(name).Inc()
}
