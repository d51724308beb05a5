package pipeline

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are the server's Prometheus metrics, in a registry of its own.
type metrics struct {
	registry   *prometheus.Registry
	requests   *prometheus.HistogramVec
	violations *prometheus.CounterVec
	faults     *prometheus.CounterVec
	replays    prometheus.Counter
	dropped    prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sessions_request_duration_seconds", Help: "Time to serve a request, by operation and status.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 8),
		}, []string{"operation", "status"}),
		violations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sessions_contract_violations_total", Help: "Responses that violated the contract, by operation and rule.",
		}, []string{"operation", "rule"}),
		faults: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sessions_faults_injected_total", Help: "Faults injected for rehearsals, by operation and fault.",
		}, []string{"operation", "fault"}),
		replays: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sessions_idempotent_replays_total", Help: "Requests that got the response recorded for their idempotency key.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sessions_stream_readers_dropped_total", Help: "Event streams that ended because their reader did not read in time.",
		}),
	}
	m.registry.MustRegister(m.requests, m.violations, m.faults, m.replays, m.dropped)
	return m
}

// gauge adds a metric whose value is what fn returns.
func (m *metrics) gauge(name, help string, fn func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(fn()) }))
}

// Register adds metrics.
func (p *Pipeline) Register(added ...prometheus.Collector) { p.metrics.registry.MustRegister(added...) }

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) request(operation string, status int, elapsed time.Duration) {
	m.requests.WithLabelValues(operation, strconv.Itoa(status)).Observe(elapsed.Seconds())
}

func (m *metrics) fault(operation, kind string) { m.faults.WithLabelValues(operation, kind).Inc() }

func (m *metrics) violation(operation, rule string) {
	m.violations.WithLabelValues(operation, rule).Inc()
}
