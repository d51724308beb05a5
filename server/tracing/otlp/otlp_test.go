package otlp

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestAsked(t *testing.T) {
	t.Parallel()
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"
	for variables, want := range map[string]any{
		"":       false,
		endpoint: true,
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://c.example/v1/traces":            true,
		endpoint + " OTEL_EXPORTER_OTLP_PROTOCOL=http/json":                         true,
		endpoint + " OTEL_SDK_DISABLED=True":                                        false,
		endpoint + " OTEL_SDK_DISABLED=yes":                                         true, // only true counts
		endpoint + " OTEL_TRACES_EXPORTER=none":                                     false,
		"OTEL_TRACES_EXPORTER=otlp":                                                 true, // to the exporter's own default
		"OTEL_SERVICE_NAME=x":                                                       false,
		"OTEL_TRACES_EXPORTER=zipkin":                                               `OTEL_TRACES_EXPORTER is "zipkin"; use otlp or none`,
		"OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318":                                `OTEL_EXPORTER_OTLP_ENDPOINT is "localhost:4318"; use a URL such as http://127.0.0.1:4318`,
		endpoint + " OTEL_TRACES_SAMPLER=ParentBased_TraceIDRatio":                  true,
		endpoint + " OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=0.25": true,
		endpoint + " OTEL_TRACES_SAMPLER=always_on OTEL_TRACES_SAMPLER_ARG=x":       true, // it has no argument
		endpoint + " OTEL_TRACES_SAMPLER=ratio":                                     `OTEL_TRACES_SAMPLER is "ratio"; use one of ` + strings.Join(samplers, ", "),
		endpoint + " OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=25%":  `OTEL_TRACES_SAMPLER_ARG is "25%"; use a number from 0 to 1`,
		endpoint + " OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=25":   `OTEL_TRACES_SAMPLER_ARG is "25"; use a number from 0 to 1`,
		endpoint + " OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=NaN":  `OTEL_TRACES_SAMPLER_ARG is "NaN"; use a number from 0 to 1`,
		endpoint + " OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc":                       `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is "grpc"; use http/protobuf or http/json`,
	} {
		asked, err := Asked(func(name string) string {
			for variable := range strings.FieldsSeq(variables) {
				if value, ok := strings.CutPrefix(variable, name+"="); ok {
					return value
				}
			}
			return ""
		})
		var got any = asked
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %v, want %v", variables, got, want)
		}
	}
}

// TestErrorsAreLoggedOnceInAWhile reports errors faster than they are logged.
func TestErrorsAreLoggedOnceInAWhile(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r := &reporter{log: slog.New(slog.NewTextHandler(&log, nil)), every: time.Hour}
	for range 3 {
		r.Handle(errors.New("refused"))
	}
	r.last = r.last.Add(-2 * time.Hour)
	r.Handle(errors.New("again"))
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "error=refused errors_not_logged=0") || !strings.Contains(lines[1], "error=again errors_not_logged=2") {
		t.Errorf("%s", log.String())
	}
}
