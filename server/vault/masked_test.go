package vault

import (
	"strings"
	"testing"
)

// TestMasked leaves nothing of a secret, also at the end of a text that was cut within it, and grows with no short secret.
func TestMasked(t *testing.T) {
	t.Parallel()
	secret := Secret{Token: strings.Repeat("tok-", 10)}
	text := strings.Repeat("a", 200) + secret.Token[:30]
	if got := masked(text, secret, true); strings.Contains(got, "tok") || !strings.HasPrefix(got, "aaa") {
		t.Errorf("%q", got)
	}
	if got := masked(text, secret, false); got != text {
		t.Errorf("%q", got)
	}
	short := Secret{Token: "e", RefreshToken: "s", ClientSecret: "[", Value: "c"}
	if got := masked("e", short, false); got != mask {
		t.Errorf("%q", got)
	}
}
