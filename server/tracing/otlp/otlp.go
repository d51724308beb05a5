// Package otlp sends spans to a collector by OTLP over HTTP, as the standard variables of OpenTelemetry ask for it.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/cloud-sessions/sessions/server/internal/build"
)

// Asked reports whether the variables ask for spans to be sent: OTEL_TRACES_EXPORTER is otlp, or it is not set and
// OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is. OTEL_SDK_DISABLED=true turns everything off. It returns
// an error for values that cannot be followed.
func Asked(getenv func(string) string) (bool, error) {
	if strings.EqualFold(strings.TrimSpace(getenv("OTEL_SDK_DISABLED")), "true") {
		return false, nil
	}
	endpoint, protocol := either(getenv, "ENDPOINT"), either(getenv, "PROTOCOL")
	exporter := variable{"OTEL_TRACES_EXPORTER", strings.TrimSpace(getenv("OTEL_TRACES_EXPORTER"))}
	switch {
	case exporter.value == "none", exporter.value == "" && endpoint.value == "":
		return false, nil
	case exporter.value != "" && exporter.value != "otlp":
		return false, exporter.invalid("use otlp or none")
	}
	if u, err := url.Parse(endpoint.value); endpoint.value != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return false, endpoint.invalid("use a URL such as http://127.0.0.1:4318")
	}
	switch protocol.value {
	case "", "http/protobuf", "http/json":
		err := checkSampler(getenv)
		return err == nil, err
	}
	return false, protocol.invalid("use http/protobuf or http/json")
}

// samplers are the values of OTEL_TRACES_SAMPLER that the SDK knows.
var samplers = []string{
	"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
}

// checkSampler returns an error for a sampler that the SDK would replace by one that records everything.
func checkSampler(getenv func(string) string) error {
	sampler := variable{"OTEL_TRACES_SAMPLER", strings.TrimSpace(getenv("OTEL_TRACES_SAMPLER"))}
	ratio := variable{"OTEL_TRACES_SAMPLER_ARG", strings.TrimSpace(getenv("OTEL_TRACES_SAMPLER_ARG"))}
	switch name := strings.ToLower(sampler.value); {
	case name == "":
		return nil
	case !slices.Contains(samplers, name):
		return sampler.invalid("use one of " + strings.Join(samplers, ", "))
	case ratio.value == "" || !strings.HasSuffix(name, "traceidratio"):
		return nil
	}
	if number, err := strconv.ParseFloat(ratio.value, 64); err != nil || !(number >= 0 && number <= 1) {
		return ratio.invalid("use a number from 0 to 1")
	}
	return nil
}

// variable is a variable of the environment.
type variable struct{ name, value string }

func (v variable) invalid(advice string) error {
	return fmt.Errorf("%s is %q; %s", v.name, v.value, advice)
}

// either returns the variable of traces with a name or, without it, that of all signals.
func either(getenv func(string) string, name string) variable {
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"} {
		if value := strings.TrimSpace(getenv(prefix + name)); value != "" {
			return variable{prefix + name, value}
		}
	}
	return variable{}
}

// flushTime bounds how long Close sends what is left.
const flushTime = 5 * time.Second

// Open returns a provider whose spans are sent as the variables of the process say, and a function that sends what is left
// and closes it, within five seconds. Spans are sent in the background, in batches; while the collector does not accept them
// they are dropped, and log gets a line a minute at most.
//
// The exporter and the SDK read the variables themselves: of the exporter (OTEL_EXPORTER_OTLP_…), of batches (OTEL_BSP_…), of the
// sampler (OTEL_TRACES_SAMPLER…) and of limits, OTEL_SERVICE_NAME, which is sessionsd by default, and OTEL_RESOURCE_ATTRIBUTES. Call
// it once, if Asked says so: the SDK reports its errors to one function of the process.
func Open(ctx context.Context, log *slog.Logger) (provider trace.TracerProvider, stop func(), err error) {
	otel.SetErrorHandler(&reporter{log: log, every: time.Minute})
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, nil, err
	}
	info := build.Read()
	described, err := resource.New(ctx,
		resource.WithTelemetrySDK(), resource.WithService(),
		resource.WithAttributes(semconv.ServiceName("sessionsd"), semconv.ServiceVersion(info.Version)), resource.WithFromEnv(),
	)
	if err != nil && !errors.Is(err, resource.ErrPartialResource) && !errors.Is(err, resource.ErrSchemaURLConflict) {
		return nil, nil, errors.Join(err, exporter.Shutdown(ctx))
	}
	made := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(described))
	return made, func() {
		ctx, cancel := context.WithTimeout(context.Background(), flushTime)
		defer cancel()
		if err := made.Shutdown(ctx); err != nil {
			log.Warn("the last spans were not sent", "error", err)
		}
	}, nil
}

// reporter logs the errors of the SDK, at most one in a while.
type reporter struct {
	log   *slog.Logger
	every time.Duration

	mu      sync.Mutex
	last    time.Time
	skipped int
}

// Handle implements otel.ErrorHandler.
func (r *reporter) Handle(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if !r.last.IsZero() && now.Sub(r.last) < r.every {
		r.skipped++
		return
	}
	r.log.Warn("spans were not sent", "error", err, "errors_not_logged", r.skipped)
	r.last, r.skipped = now, 0
}

var _ otel.ErrorHandler = (*reporter)(nil)
