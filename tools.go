//go:build generate

// Package tools holds the lines that build gen/, the compiled contract, and the generated part of client/, from api/. The
// version of oapi-codegen is pinned by the tool directive in go.mod; api/inorder passes it the contract with the order of its
// properties, api/contract/rulesgen compiles it, and api/clientgen writes the rest. The last line writes the schema of new databases,
// from the migrations. Run the lines with `make gen`.
package tools

//go:generate go run ./api/inorder api/types.cfg.yaml api/openapi.yaml
//go:generate go run ./api/inorder api/echoserver.cfg.yaml api/openapi.yaml
//go:generate go run ./api/inorder api/httpclient.cfg.yaml api/openapi.yaml
//go:generate go run ./api/clientgen api/openapi.yaml
//go:generate go run ./api/contract/rulesgen api/openapi.yaml api/contract/internal/compiled/contract.gen.go
//go:generate go run ./server/store/sqlstore/migrations/schemagen server/store/sqlstore/migrations/schema.gen.sql
