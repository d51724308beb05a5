//go:build generate

// Package tools holds the lines that build gen/ from api/. The generator's version is pinned by the
// tool directive in go.mod. Run them with `make gen`.
package tools

//go:generate go tool oapi-codegen -config api/types.cfg.yaml api/openapi.yaml
//go:generate go tool oapi-codegen -config api/echoserver.cfg.yaml api/openapi.yaml
//go:generate go tool oapi-codegen -config api/httpclient.cfg.yaml api/openapi.yaml
