package support

import (
	"testing"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server/servertest"
)

func TestRefund(t *testing.T) {
	s := servertest.New(t)
	s.Script(`
rules:
  - match: {contains: refund}
    steps: [{say: It is on its way.}]
`)
	s.Faults(`
rules:
  - {operations: sendEvents, first: 1, answer: {status: 503, retry_after: 1ms}}
  - {operations: streamEvents, nth: 1, cut: {events: 3}}
`)
	c := s.Client() // or any program, with s.BaseURL and s.Token
	session, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{
		Agent: client.AgentRef{ID: s.AgentID}, EnvironmentID: s.EnvironmentID,
	})
	if err != nil {
		t.Fatal(err)
	}
	answer := ""
	for event, err := range c.Sessions.Run(t.Context(), session.ID, "Where is my refund?", nil) {
		if err != nil {
			t.Fatal(err)
		}
		answer += event.Text()
	}
	if sent := len(s.Requests("sendEvents")); answer != "It is on its way." || sent != 2 {
		t.Errorf("%q after sending %d times", answer, sent)
	}
}
