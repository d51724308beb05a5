package vault

import (
	"net/http"
	"testing"

	"github.com/cloud-sessions/sessions/server/seal"
)

// A key that the key file lacks may come, so the request may be repeated; a server without any key needs a restart.
func TestKeysThatAreAway(t *testing.T) {
	t.Parallel()
	for cause, want := range map[error]int{errNoRing: http.StatusNotImplemented, seal.ErrUnknownKey: http.StatusServiceUnavailable} {
		got := (&keyAwayError{cause}).Problem()
		if got.HTTPStatus() != want || (got.RetryAfter > 0) != (want == http.StatusServiceUnavailable) {
			t.Errorf("%v: %+v", cause, got)
		}
	}
}
