package main

// tool is a tool, what a run of it proves, and what its users must know.
type tool struct {
	name    string
	npm     []string // the npm packages, NAME@VERSION; the first is the tool
	module  string   // or the Go module, PATH@VERSION
	verdict string   // what it does with the contract, when run succeeds
	set     string   // what its users must set, and why
	run     func(*work) error
}

const (
	typescript = "typescript@5.9.3"
	// tsc compiles for a bundler, as most programs of a browser are.
	tsc = "tsc --strict --noEmit --skipLibCheck --target es2023 --module esnext --moduleResolution bundler --lib es2023,dom,dom.iterable,dom.asynciterable "
	// freePort sets PORT, and serve waits until what the command before it has started answers with a model, and ends it.
	freePort = `PORT=$(node -e 'const s=require("net").createServer().listen(0,()=>{console.log(s.address().port);s.close()})' --input-type=commonjs); `
	serve    = ` >log 2>&1 & SERVER=$!; trap "kill $SERVER" EXIT
for second in $(seq 180); do
	if curl -sS -H 'Authorization: Bearer pt-1' "http://127.0.0.1:$PORT/models" 2>/dev/null | grep -q '"has_more"'; then exit 0; fi
	kill -0 $SERVER || break
	sleep 1
done
cat log; exit 1`
	// both runs a command for both forms of the contract, as $DOCUMENT.
	both = "for DOCUMENT in openapi.yaml openapi-3.2.json; do "
)

// list has the tools in the order of the table.
var list = []tool{
	{
		name:    "openapi-typescript and openapi-fetch",
		npm:     []string{"openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "eventsource-parser@4.1.3", "@types/node@24.10.1", typescript},
		verdict: "Types compile. [The example](../client/examples/typescript/session.ts) creates, lists, sends and streams with them.",
		set:     "`--default-non-nullable false`: otherwise a field with a default is required in requests.",
		run: steps(map[string]string{"tsconfig.json": `{"files": ["session.ts"], "compilerOptions": {"strict": true, "noEmit": true, "skipLibCheck": true, "target": "es2023", "module": "nodenext", "types": ["node"]}}`},
			`cp "$REPOSITORY/client/examples/typescript/session.ts" .`,
			both+"openapi-typescript $DOCUMENT --default-non-nullable false --output contract.ts; tsc; done"),
	},
	{
		name:    "hey-api",
		npm:     []string{"@hey-api/openapi-ts@0.99.0", typescript},
		verdict: "Its client compiles. Events of the stream are typed.",
		set:     "Nothing.",
		run: steps(map[string]string{"use.ts": `import { createSession, listSessions, sendEvents, streamEvents } from "./out";
const session = await createSession({ baseUrl: "/v1", body: { agent: "agent_1", environment_id: "env_1" } });
const list = await listSessions({ query: { "statuses[]": ["idle"], limit: 5 } });
const path = { session_id: session.data?.id ?? list.data!.data[0]!.id };
await sendEvents({ path, body: { events: [{ type: "user.message", content: "hi" }] } });
const { stream } = await streamEvents({ path, headers: { "Last-Event-ID": "evt_1" } });
for await (const event of stream) console.log(event);
`},
			both+"openapi-ts --input $DOCUMENT --output out; "+tsc+"use.ts; done"),
	},
	{
		name:    "swagger-typescript-api",
		npm:     []string{"swagger-typescript-api@13.13.0", typescript},
		verdict: "Its client compiles. A stream is the raw response.",
		set:     "`--generate-union-enums`: enums as strings, as they are on the wire.",
		run: steps(map[string]string{"use.ts": `import { Api } from "./out/api";
const api = new Api({ baseUrl: "/v1" });
const { data } = await api.sessions.createSession({ agent: "agent_1", environment_id: "env_1" });
await api.sessions.listSessions({ "statuses[]": ["idle"], limit: 5 });
await api.sessions.sendEvents(data.id, { events: [{ type: "user.message", content: "hi" }] });
`},
			both+"node_modules/.bin/swagger-typescript-api generate --generate-union-enums -p $DOCUMENT -o out -n api.ts; "+tsc+"use.ts; done"),
	},
	{
		name:    "orval",
		npm:     []string{"orval@8.38.0", typescript},
		verdict: "Its fetch client compiles. It reads a stream to its end, which does not come: use `fetch` for it.",
		set:     "`override.components.schemas.suffix`, such as `Schema`: otherwise the schema File hides the class File of browsers, which its uploads need.",
		run: steps(map[string]string{
			"orval.config.mjs": `export default { sessions: { input: process.env.DOCUMENT, output: {
  target: "out/api.ts", client: "fetch", override: { components: { schemas: { suffix: "Schema" } } } } } };`,
			"use.ts": `import { createSession, listSessions, sendEvents } from "./out/api";
const session = await createSession({ agent: "agent_1", environment_id: "env_1" });
if (session.status === 201) {
  await listSessions({ "statuses[]": ["idle"], limit: 5 });
  await sendEvents(session.data.id, { events: [{ type: "user.message", content: "hi" }] });
}
`},
			both+"export DOCUMENT; orval --config orval.config.mjs; "+tsc+"use.ts; done"),
	},
	{
		name: "kubb",
		npm: []string{"@kubb/core@4.39.3", "@kubb/cli@4.39.3", "@kubb/plugin-oas@4.39.3", "@kubb/plugin-ts@4.39.3", "@kubb/plugin-client@4.39.3",
			"@types/node@24.10.1", typescript},
		verdict: "Its types and its client compile.",
		set: "`output.format: false` without prettier; `allowImportingTsExtensions` for tsc. Its own fetch client (`client: \"fetch\"`) joins arrays by " +
			"commas, which the API refuses, and sends no Content-Type: name one of yours in `importPath`.",
		run: steps(map[string]string{
			"kubb.config.js": `import { defineConfig } from "@kubb/core";
import { pluginClient } from "@kubb/plugin-client";
import { pluginOas } from "@kubb/plugin-oas";
import { pluginTs } from "@kubb/plugin-ts";
export default defineConfig({
  root: ".", input: { path: process.env.DOCUMENT }, output: { path: "out", clean: true, format: false, lint: false },
  plugins: [pluginOas(), pluginTs(), pluginClient({ client: "fetch", bundle: true })],
});`,
			"use.ts": `import { createSession, listSessions, sendEvents } from "./out/index.ts";
const session = await createSession({ agent: "agent_1", environment_id: "env_1" });
await listSessions({ "statuses[]": ["idle"], limit: 5 });
await sendEvents(session.id, { events: [{ type: "user.message", content: "hi" }] });
`},
			both+"export DOCUMENT; kubb generate; "+tsc+"--allowImportingTsExtensions use.ts; done"),
	},
	{
		name:    "ogen",
		module:  "github.com/ogen-go/ogen@v1.24.0",
		verdict: "From OpenAPI 3.0.3: client and server pass `go vet`. The stream is left out.",
		set: "`ignore_not_implemented: [\"sse server response encoding\"]`: its servers do not stream. In a copy, rename the schema EventType: " +
			"ogen gives the discriminator of Event that name as well.",
		run: steps(map[string]string{
			"go.mod":    "module use\n\ngo 1.26\n",
			"ogen.yaml": "generator:\n  ignore_not_implemented: [\"sse server response encoding\"]\n",
			"use.go": `package use

import (
	"context"

	"use/out"
)

// Use creates a session, lists sessions and sends a message.
func Use(ctx context.Context, c *out.Client) error {
	if _, err := c.CreateSession(ctx, &out.CreateSessionRequest{Agent: out.NewAgentIDAgentRef("agent_1"), EnvironmentID: "env_1"}, out.CreateSessionParams{}); err != nil {
		return err
	}
	_, err := c.ListSessions(ctx, out.ListSessionsParams{Statuses: []out.SessionStatus{out.SessionStatusIdle}})
	return err
}
`},
			`sed -i "s/^    EventType:/    EventKind:/; s#/EventType'#/EventKind'#" openapi.yaml`,
			"go run github.com/ogen-go/ogen/cmd/ogen@v1.24.0 --config ogen.yaml --target out --package out --clean openapi.yaml; go mod tidy; go vet ./..."),
	},
	{
		name:    "libopenapi-validator",
		module:  "github.com/pb33f/libopenapi-validator@v0.16.3",
		verdict: "Both documents are valid. A valid request passes, an invalid one does not.",
		set:     "Nothing.",
		run: steps(map[string]string{
			"go.mod": "module use\n\ngo 1.26\n\nrequire github.com/pb33f/libopenapi-validator v0.16.3\n",
			"main.go": `package main

import (
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

func main() {
	for _, file := range os.Args[1:] {
		data, err := os.ReadFile(file)
		if err != nil {
			log.Fatal(err)
		}
		doc, err := libopenapi.NewDocument(data)
		if err != nil {
			log.Fatal(file, err)
		}
		v, errs := validator.NewValidator(doc)
		if len(errs) > 0 {
			log.Fatal(file, errs)
		}
		if ok, errs := v.ValidateDocument(); !ok {
			log.Fatal(file, errs)
		}
		for body, want := range map[string]bool{
			` + "`{\"agent\": \"agent_1\", \"environment_id\": \"env_1\"}`: true, `{\"agent\": \"agent_1\", \"environment_id\": 1}`: false, `{\"agent\": \"agent_1\"}`" + `: false,
		} {
			r, _ := http.NewRequest("POST", "http://127.0.0.1:8080/api/v1/cloud/sessions", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer pt-1")
			if ok, errs := v.ValidateHttpRequest(r); ok != want {
				log.Fatal(file, body, ok, errs)
			}
		}
	}
}
`},
			"go mod tidy; go run . openapi.yaml openapi-3.2.json"),
	},
	{
		name:    "Redocly CLI",
		npm:     []string{"@redocly/cli@2.77.0"},
		verdict: "Both documents pass its recommended rules.",
		set:     "Nothing.",
		run: steps(map[string]string{"redocly.yaml": "extends: [recommended]\n"},
			"redocly lint --config redocly.yaml openapi.yaml openapi-3.2.json"),
	},
	{
		name:    "Prism",
		npm:     []string{"@stoplight/prism-cli@5.16.0"},
		verdict: "Its mock server answers with the examples. Its proxy finds no fault with this server (`make prism`). It does not stream.",
		set:     "OpenAPI 3.0.3; it was not tried with 3.2.",
		run:     steps(nil, freePort+"prism mock openapi.yaml --port $PORT"+serve),
	},
	{
		name:    "Specmatic",
		npm:     []string{"specmatic@2.55.1"},
		verdict: "Its mock server answers with the examples.",
		set:     "OpenAPI 3.0.3; it was not tried with 3.2. Its tests send values that `uniqueItems` and patterns exclude.",
		run:     steps(nil, freePort+"java -jar node_modules/specmatic/specmatic.jar mock openapi.yaml --port $PORT"+serve),
	},
	{
		name:    "Scalar",
		npm:     []string{"@scalar/api-reference@1.76.0"},
		verdict: "Shows both documents; it is the viewer at `/docs`.",
		set:     "Nothing.",
		run: shows(`<div id=app></div><script src=node_modules/@scalar/api-reference/dist/browser/standalone.js></script>
<script>Scalar.createApiReference("#app", { url: "DOCUMENT", telemetry: false, withDefaultFonts: false, defaultOpenAllTags: true })</script>`, "openapi.yaml", "openapi-3.2.json"),
	},
	{
		name:    "Redoc",
		npm:     []string{"redoc@2.5.4"},
		verdict: "Shows the contract.",
		set:     "OpenAPI 3.0.3: it shows nothing of 3.2.",
		run:     shows(`<redoc spec-url=DOCUMENT></redoc><script src=node_modules/redoc/bundles/redoc.standalone.js></script>`, "openapi.yaml"),
	},
	{
		name:    "Swagger UI",
		npm:     []string{"swagger-ui-dist@5.35.0"},
		verdict: "Shows both documents.",
		set:     "Nothing.",
		run: shows(`<div id=ui></div><script src=node_modules/swagger-ui-dist/swagger-ui-bundle.js></script>
<script>SwaggerUIBundle({ url: "DOCUMENT", dom_id: "#ui", docExpansion: "list" })</script>`, "openapi.yaml", "openapi-3.2.json"),
	},
	{
		name:    "Postman's converter",
		npm:     []string{"openapi-to-postmanv2@6.3.3"},
		verdict: "From OpenAPI 3.0.3: a collection with every operation.",
		set: "`parametersResolution=Example,enableOptionalParameters=false`: otherwise all requests share one made-up idempotency key, and each write after the " +
			"first is refused.",
		run: steps(nil, `openapi2postmanv2 -s openapi.yaml -o collection.json -O parametersResolution=Example,enableOptionalParameters=false
node --input-type=commonjs -e '
const count = (item) => item.request ? 1 : item.item.reduce((n, i) => n + count(i), 0);
const requests = count(JSON.parse(require("fs").readFileSync("collection.json")));
const operations = require("fs").readFileSync("openapi.yaml", "utf8").match(/^ {6}operationId:/gm).length;
if (requests !== operations) throw new Error(requests + " requests of " + operations + " operations");'`),
	},
}
