// Package client talks to a Cloud Sessions server. It is the only import a program needs: the
// services, the options, the wire types and the errors are all here.
//
//	c, err := client.New() // the token is QODER_PAT
//	if err != nil {
//		return err
//	}
//	session, err := c.Sessions.Create(ctx, &client.CreateSessionRequest{
//		Agent:         client.AgentRef{ID: "agent_019e390add9f7bac9b6cc806db46fcbd"},
//		EnvironmentID: "env_019e2590d33f711fabf42f2857cecd8a",
//		Title:         new("Support"),
//	})
//
// Required fields are values and optional ones pointers, written new(value).
//
// # Turns
//
// A message starts a turn. [SessionService.Run] sends it and yields the events that follow, to the end of the turn;
// functions of the program are tools of the agent, see [NewTool]:
//
//	for event, err := range c.Sessions.Run(ctx, session.ID, "What is the weather?", nil) {
//		if err != nil {
//			return err
//		}
//		if _, ok := event.Value.(client.AgentMessageEvent); ok {
//			fmt.Println(event.Text())
//		}
//	}
//
// [EventService.Send] sends and does not wait, [EventService.Stream] follows a session until it is deleted,
// [EventService.All] reads its log. A stream that breaks is resumed where it was.
//
// # Unions
//
// A field that may hold one of several types is made with a constructor and read with AsAny:
//
//	tool := client.NewAgentTool(client.BuiltinToolset{EnabledTools: []client.BuiltinTool{client.BuiltinToolRead}})
//	switch v := tool.AsAny().(type) {
//	case client.BuiltinToolset:
//		fmt.Println(v.EnabledTools)
//	case client.CustomTool:
//		fmt.Println(v.Name)
//	}
//
// # Updates
//
// An update changes what its request contains and keeps what it omits. Metadata is a patch by keys, and a title may be
// cleared:
//
//	session, err = c.Sessions.Update(ctx, session.ID, &client.UpdateSessionRequest{
//		Title:    client.Clear[string](), // client.Set("Refunds") sets it
//		Metadata: client.MetadataPatch{"ticket": new("T-1029"), "purpose": nil},
//	})
//
// Deleting and archiving are permanent.
//
// # Options
//
// Every [Option] works for a [Client], passed to [New], and for one call, passed to the method; the call's takes
// precedence. [WithIdempotencyKey] is for calls only.
//
// # Retries
//
// A call is attempted up to three times ([WithMaxRetries]). Reads, and writes with an idempotency key, are retried when
// the connection fails and on 408, 429 and 5xx; other writes on 429 only; a 409 never. Every POST, PUT and DELETE gets a
// key automatically, the same one for all its attempts, so that a retry cannot do anything twice. The wait between
// attempts is what the server asks for in Retry-After-Ms or Retry-After, or else 0.5 s doubled with every attempt up to
// 8 s, less a random part of at most a quarter. If a server asks for more than a minute, there is no further attempt: see
// [Error.RetryAfter]. The header X-Should-Retry, true or false, overrides the status: this API sends false with a 501,
// because a feature that is off stays off.
//
// # Errors
//
// Every failed call returns an [*Error]. Match types with errors.Is(err, client.ErrNotFound) and read the details with
// errors.As; [Error.Raw] is the body of the response. No error contains the token.
//
// # Traces
//
// The package otelclient traces calls with OpenTelemetry, so that the server's spans are in the trace of the program.
// [WithPropagation] alone names the trace to the server, by whatever library the program uses.
//
// # Other servers
//
// The client accepts more than the contract has, so that it works with other servers of this API. An object with an id is read
// where the contract has a string, such as {"id": "ultimate"} for a model. A page without has_more is followed by next_page;
// if it has neither, and as many records as the request's limit or no limit was set, the list ends with an error, since more
// records may follow. An error has the type of its status, whatever its body is. Events that a server accepts with a 202 and
// no body count as sent: [SessionService.Run] looks for them in the log. When the response to a create cannot be read,
// [Error.ResourceID] is the id of what was created, and [Error.Raw] the body. Package contractcheck reports the differences.
//
// # Imports
//
// The package builds on gen/httpclient and gen/types. It imports no server framework, no OpenAPI library and no database
// driver.
package client
