//go:build generate

// Package tools holds the lines that build gen/ from api/. The generator's version is pinned by the
// tool directive in go.mod; api/inorder hands it the contract with the order of its properties. Run the
// lines with `make gen`.
package tools

//go:generate go run ./api/inorder api/types.cfg.yaml api/openapi.yaml
//go:generate go run ./api/inorder api/echoserver.cfg.yaml api/openapi.yaml
//go:generate go run ./api/inorder api/httpclient.cfg.yaml api/openapi.yaml
//go:generate go run ./api/clientgen api/openapi.yaml
