package server

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/internal/build"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn/dispatch"
)

// metrics are the Prometheus metrics of everything except requests, which the pipeline counts. The labels have few values:
// names of runners, and words of the contract; never an account, a session or a model.
type metrics struct {
	turns      *prometheus.CounterVec
	ran, first *prometheus.HistogramVec
	tokens     *prometheus.CounterVec
	batches    prometheus.Histogram
	commits    prometheus.Histogram
}

func newMetrics() *metrics {
	seconds := prometheus.ExponentialBuckets(0.05, 3, 10) // to a quarter of an hour
	return &metrics{
		turns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sessions_turns_total", Help: "Turns that have stopped, by runner and reason; requires_action and the like are continued later.",
		}, []string{"runner", "reason"}),
		ran: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sessions_turn_duration_seconds", Help: "Time that a turn ran without waiting for a caller or a worker, by runner.", Buckets: seconds,
		}, []string{"runner"}),
		first: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sessions_turn_first_piece_seconds", Help: "Time until a turn's first word or use of a tool, by runner.", Buckets: seconds,
		}, []string{"runner"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sessions_tokens_total", Help: "Tokens that turns have used, by runner and kind.",
		}, []string{"runner", "kind"}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sessions_database_batch_transactions", Help: "Transactions that share a commit.", Buckets: prometheus.ExponentialBuckets(1, 2, 8),
		}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sessions_database_commit_duration_seconds", Help: "Time of a commit, until it is on disk.",
			Buckets: prometheus.ExponentialBuckets(0.0002, 3, 10),
		}),
	}
}

// committed counts a commit.
func (m *metrics) committed(transactions int, took time.Duration) {
	m.batches.Observe(float64(transactions))
	m.commits.Observe(took.Seconds())
}

// stopped counts a turn that has stopped.
func (m *metrics) stopped(t dispatch.Stopped) {
	m.turns.WithLabelValues(t.Runner, string(t.Reason)).Inc()
	m.ran.WithLabelValues(t.Runner).Observe(t.Ran.Seconds())
	if t.First > 0 {
		m.first.WithLabelValues(t.Runner).Observe(t.First.Seconds())
	}
	for kind, n := range map[string]int64{
		"input": t.Used.InputTokens, "output": t.Used.OutputTokens, "cache_read": t.Used.CacheReadInputTokens,
		"cache_creation": t.Used.CacheCreation5m + t.Used.CacheCreation1h,
	} {
		m.tokens.WithLabelValues(t.Runner, kind).Add(float64(n))
	}
}

// register registers everything with the pipeline's metrics.
func (s *Server) registerMetrics(m *metrics, requests, turns *budget.Budget) {
	s.pipeline.Register(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(),
		m.turns, m.ran, m.first, m.tokens, m.batches, m.commits, &stateCollector{store: s.store},
	)
	for name, g := range map[string]struct {
		help string
		fn   func() int
	}{
		"sessions_open_streams":          {"Event streams that are open.", s.broker.Readers},
		"sessions_running_turns":         {"Turns that are running.", s.turns.Running},
		"sessions_turn_workers":          {"Turns that this process may run at the same time.", func() int { return s.config.Workers }},
		"sessions_bytes_in_flight":       {"Bytes that requests, responses and streams have reserved.", func() int { return int(requests.Used()) }},
		"sessions_turn_bytes_in_flight":  {"Bytes that running turns have reserved.", func() int { return int(turns.Used()) }},
		"sessions_bytes_in_flight_limit": {"Bytes that requests, responses and streams may reserve; turns may reserve as many.", func() int { return int(s.config.MaxBytesInFlight) }},
	} {
		s.pipeline.Gauge(name, g.help, g.fn)
	}
}

// buildInfo is a metric whose labels describe the build.
func buildInfo() prometheus.Collector {
	info := build.Read()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sessions_build_info", Help: "The build of the program; always 1.",
		ConstLabels: prometheus.Labels{"version": info.Version, "commit": info.Commit, "go_version": info.Go},
	})
	gauge.Set(1)
	return gauge
}

// stateCollector asks for the state of the database when the metrics are read.
type stateCollector struct{ store store.Gauges }

// askState bounds how long a question to the database may take.
const askState = time.Second

var (
	waitingDesc = prometheus.NewDesc("sessions_queue_waiting", "What waits in a queue, by queue; all processes on a database share it.", []string{"queue"}, nil)
	oldestDesc  = prometheus.NewDesc("sessions_queue_oldest_seconds", "How long the oldest in a queue has waited, by queue.", []string{"queue"}, nil)
	connsDesc   = prometheus.NewDesc("sessions_database_connections", "Connections to the database, by state.", []string{"state"}, nil)
	mostDesc    = prometheus.NewDesc("sessions_database_connections_limit", "How many connections to the database there may be.", nil, nil)
	waitsDesc   = prometheus.NewDesc("sessions_database_connection_waits_total", "Calls that have waited for a connection to the database.", nil, nil)
	waitedDesc  = prometheus.NewDesc("sessions_database_connection_wait_seconds_total", "Time that calls have waited for a connection to the database.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{waitingDesc, oldestDesc, connsDesc, mostDesc, waitsDesc, waitedDesc} {
		to <- d
	}
}

// Collect implements prometheus.Collector. While the database does not respond, the metrics of queues are missing.
func (c *stateCollector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	pool := c.store.Pool()
	states := map[string]int{"idle": pool.Open - pool.InUse, "in_use": pool.InUse}
	for _, state := range slices.Sorted(maps.Keys(states)) {
		gauge(connsDesc, float64(states[state]), state)
	}
	gauge(mostDesc, float64(pool.Most))
	to <- prometheus.MustNewConstMetric(waitsDesc, prometheus.CounterValue, float64(pool.Waits))
	to <- prometheus.MustNewConstMetric(waitedDesc, prometheus.CounterValue, pool.Waited.Seconds())

	ctx, cancel := context.WithTimeout(context.Background(), askState)
	defer cancel()
	queues, err := c.store.Queues(ctx)
	if err != nil {
		return
	}
	for _, q := range queues {
		gauge(waitingDesc, float64(q.Waiting), q.Kind)
		gauge(oldestDesc, q.Oldest.Seconds(), q.Kind)
	}
}
