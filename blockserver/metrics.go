package blockserver

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// metrics is what a node counts, in a registry of its own.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	received  prometheus.Counter
	sent      prometheus.Counter
	corrupt   prometheus.Counter
	registers *prometheus.CounterVec
}

func newMetrics(s *Server) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: counters("ashlar_blockserver_requests_total", "Requests by verb and outcome (ok or an error's kind).", "verb", "outcome"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ashlar_blockserver_request_duration_seconds", Help: "From the request's headers to the answer being ready to send.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 12),
		}, []string{"verb"}),
		received:  counter("ashlar_blockserver_received_bytes_total", "Bytes of block bodies received whole."),
		sent:      counter("ashlar_blockserver_sent_bytes_total", "Bytes of block bodies given to connections."),
		corrupt:   counter("ashlar_blockserver_corrupt_copies_total", "Copies found bad while they were read."),
		registers: counters("ashlar_blockserver_register_attempts_total", "Questions to metaservers to be registered, by outcome.", "outcome"),
	}
	m.registry.MustRegister(m.requests, m.duration, m.received, m.sent, m.corrupt, m.registers, state{s},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// observe counts one request. A panic that passes by counts as internal.
func (m *metrics) observe(verb string, begun time.Time, err error) {
	m.requests.WithLabelValues(verb, outcome(err)).Inc()
	m.duration.WithLabelValues(verb).Observe(time.Since(begun).Seconds())
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return protocol.KindOf(err).String()
}

// serve is GET /metrics, in the text format of Prometheus.
func (m *metrics) serve(ctx *fasthttp.RequestCtx) error {
	if err := verb(ctx, "GET", fasthttp.MethodGet); err != nil {
		return err
	}
	families, err := m.registry.Gather()
	if err != nil {
		return protocol.Errorf(protocol.Internal, "gather metrics: %w", err)
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	ctx.SetContentType(string(format))
	encoder := expfmt.NewEncoder(ctx, format)
	for _, f := range families {
		if err := encoder.Encode(f); err != nil {
			return protocol.Errorf(protocol.Internal, "print metrics: %w", err)
		}
	}
	return nil
}

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	registeredDesc  = gauge("ashlar_blockserver_registered", "1 once the node may acknowledge, else 0.")
	memoryDesc      = gauge("ashlar_blockserver_memory_in_flight_bytes", "Bytes charged for blocks in flight.")
	memoryLimitDesc = gauge("ashlar_blockserver_memory_limit_bytes", "Limit of the bytes for blocks in flight.")
	capacityDesc    = gauge("ashlar_blockserver_disk_capacity_bytes", "Room for block files on the disk.", "disk")
	usedDesc        = gauge("ashlar_blockserver_disk_used_bytes", "Bytes of block files on the disk.", "disk")
	freeDesc        = gauge("ashlar_blockserver_disk_free_bytes", "Bytes that the disk has room for.", "disk")
	blocksDesc      = gauge("ashlar_blockserver_disk_blocks", "Block files on the disk.", "disk")
	quarantinedDesc = gauge("ashlar_blockserver_disk_quarantined_blocks", "Block files set aside on the disk.", "disk")
	acksDesc        = gauge("ashlar_blockserver_disk_acknowledgements_total", "Acknowledgements that the disk has made since it was formatted.", "disk")
	fullDesc        = gauge("ashlar_blockserver_disk_full", "1 while the disk takes no new blocks from clients, from its high watermark until below its low one, else 0.", "disk")
	failedDesc      = gauge("ashlar_blockserver_disk_failed", "1 if the disk is out of use, else 0.", "disk")
)

// state reads gauges off a server when they are asked for.
type state struct{ s *Server }

// Describe sends nothing: a registry then checks what Collect sends.
func (state) Describe(chan<- *prometheus.Desc) {}

// Collect sends the gauges as they are now.
func (c state) Collect(out chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	send(registeredDesc, prometheus.GaugeValue, truth(c.s.member.Load() != nil))
	send(memoryDesc, prometheus.GaugeValue, float64(c.s.memory.used.Load()))
	send(memoryLimitDesc, prometheus.GaugeValue, float64(c.s.memory.limit))
	for i, d := range c.s.store.Disks() {
		disk := strconv.Itoa(i)
		send(capacityDesc, prometheus.GaugeValue, float64(d.Capacity), disk)
		send(usedDesc, prometheus.GaugeValue, float64(d.Used), disk)
		send(freeDesc, prometheus.GaugeValue, float64(d.Free), disk)
		send(blocksDesc, prometheus.GaugeValue, float64(d.Blocks), disk)
		send(quarantinedDesc, prometheus.GaugeValue, float64(d.Quarantined), disk)
		send(acksDesc, prometheus.CounterValue, float64(d.Acks), disk)
		send(fullDesc, prometheus.GaugeValue, truth(d.Full), disk)
		send(failedDesc, prometheus.GaugeValue, truth(d.Failure != nil), disk)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
