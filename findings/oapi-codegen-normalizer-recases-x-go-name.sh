#!/bin/sh
# oapi-codegen v2.8.2, output-options.name-normalizer: the normalizer is also applied to the name that x-go-name gives to a
# field, which is meant to be final. With ToCamelCaseWithInitialisms a lower-case letter after a digit comes out in upper
# case: Ephemeral5mTokens becomes Ephemeral5MTokens (with the default normalizer it is kept). The way out is to set
# x-oapi-codegen-only-honour-go-name beside it and to switch allow-unexported-struct-field-names on in the configuration,
# although the name is an exported one; either of the two alone changes nothing.
set -eu
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"

cat >api.yaml <<'YAML'
openapi: 3.0.3
info: {title: t, version: '1'}
paths: {}
components:
  schemas:
    Usage:
      type: object
      properties:
        plain_5m: {type: integer, x-go-name: Ephemeral5mTokens}
        honour_5m: {type: integer, x-go-name: Honoured5mTokens, x-oapi-codegen-only-honour-go-name: true}
YAML
printf '%s\n' 'package: api' 'generate: {models: true}' 'output-options: {skip-prune: true}' >default.yaml
printf '%s\n' 'package: api' 'generate: {models: true}' \
	'output-options: {skip-prune: true, name-normalizer: ToCamelCaseWithInitialisms}' >initialisms.yaml
cp initialisms.yaml switched.yaml
echo 'compatibility: {allow-unexported-struct-field-names: true}' >>switched.yaml

go mod init example.com/finding >/dev/null 2>&1
go get -tool github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 >/dev/null 2>&1
expect() { # expect CONFIG NAMES
	names=$(go tool oapi-codegen -config "$1.yaml" api.yaml | sed -n 's/^[[:space:]]\([A-Z][A-Za-z0-9]*\) .*json:.*/\1/p' | sort | tr '\n' ' ')
	echo "$1: $names"
	[ "$names" = "$2 " ] || { echo "changed: $1 used to give $2"; exit 1; }
}
expect default 'Ephemeral5mTokens Honoured5mTokens'
expect initialisms 'Ephemeral5MTokens Honoured5MTokens'
expect switched 'Ephemeral5MTokens Honoured5mTokens'
