package servertest_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server/faults"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// In a test, t is the test's own.
func ExampleNew() {
	t := &scope{}
	defer t.end()

	s := servertest.New(t)
	s.Script(`
rules:
  - match: {contains: refund}
    steps: [{say: It is on its way.}]
`)
	c, ctx := s.Client(), t.Context()
	session, err := c.Sessions.Create(ctx, &client.CreateSessionRequest{Agent: client.AgentRef{ID: s.AgentID}, EnvironmentID: s.EnvironmentID})
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range c.Sessions.Run(ctx, session.ID, "Where is my refund?", nil) {
		if err != nil {
			log.Fatal(err)
		}
		if _, ok := event.Value.(client.AgentMessageEvent); ok {
			fmt.Println(event.Text())
		}
	}
	for _, r := range s.Requests("createSession", "sendEvents") {
		fmt.Println(r.Method, r.Status, r.Operation)
	}
	// Output:
	// It is on its way.
	// POST 201 createSession
	// POST 200 sendEvents
}

// The second request fails, and the client's retry of it does not.
func ExampleServer_Faults() {
	t := &scope{}
	defer t.end()

	s := servertest.New(t)
	s.Faults(`
rules:
  - {operations: listModels, nth: 2, answer: {status: 429, retry_after: 1ms}}
`)
	c := s.Client()
	for range 2 {
		if _, err := c.Models.List(t.Context()); err != nil {
			log.Fatal(err)
		}
	}
	for _, r := range s.Requests() {
		fmt.Println(r.Operation, r.Status)
	}
	// Output:
	// listModels 200
	// listModels 429
	// listModels 200
}

// What a program does without an answer, although the server has done what it was asked for.
func ExampleServer_Inject() {
	t := &scope{}
	defer t.end()

	s := servertest.New(t)
	s.Inject(faults.Rule{Operations: []string{"createAgent"}, Drop: faults.DropAfter})
	_, err := s.Client(client.WithMaxRetries(0)).Agents.Create(t.Context(), &client.CreateAgentRequest{Name: "notes", Model: "auto"})
	var failure *client.Error
	fmt.Println(errors.As(err, &failure), failure.Status, failure.Attempts)
	// Output: true 0 1
}
