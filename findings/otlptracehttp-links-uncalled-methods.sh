#!/bin/sh
# go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp v1.47.0: a program that sends traces over HTTP keeps every
# exported method of every type that it converts to an interface, called or not; ours had 116 MB in place of 77, and a quarter
# more resident memory. The exporter imports google.golang.org/grpc for the types of options that only gRPC has, grpc imports
# golang.org/x/net/trace, and that registers pages with templates of html/template, which call methods by names that the linker
# cannot know. Build with -tags grpcnotrace, which is grpc's own, and look for other users of text/template (cobra's
# SetVersionTemplate is one): go build -ldflags=-dumpdep shows ReflectMethod for what calls methods by name.
set -eu
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
)

type greeting struct{}

// NeverCalled is called by nobody.
func (greeting) NeverCalled() { fmt.Println("never") }

func main() {
	fmt.Println(any(greeting{}))
	exporter, err := otlptracehttp.New(context.Background())
	fmt.Println(exporter != nil, err)
}
GO
go mod init example.com/finding >/dev/null 2>&1
go get go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp@v1.47.0 >/dev/null 2>&1
go mod tidy >/dev/null 2>&1
kept() { go tool nm program | grep -c 'main.greeting.NeverCalled$' || true; }
go build -o program . && plain=$(kept)
go build -tags grpcnotrace -o program . && tagged=$(kept)
echo "the method that nobody calls is linked $plain times, with -tags grpcnotrace $tagged times"
[ "$plain" = 1 ] && [ "$tagged" = 0 ] || { echo 'changed: it used to be linked without the tag, and only then'; exit 1; }
