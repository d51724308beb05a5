package docs

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"testing"
)

// viewerHash is the SHA-256 of the viewer's script, as build.mjs prints it.
const viewerHash = "62c7a62d271d7d4958b4056f794d32c55b789b48ea248c3426537bcfc16b0d6e"

// What is served is what the sources and the pinned viewer say.
func TestDistIsFresh(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"index.html", "docs.css", "docs.js", "licenses.txt"} {
		source, err := os.ReadFile("src/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if served := stored(t, name); string(served) != string(source) {
			t.Errorf("dist/%s.gz is stale: run node build.mjs", name)
		}
	}
	hash := sha256.Sum256(stored(t, "scalar.js"))
	if got := hex.EncodeToString(hash[:]); got != viewerHash {
		t.Errorf("the viewer's hash is %s", got)
	}
}

// stored is the content of a file of dist.
func stored(t *testing.T, name string) []byte {
	t.Helper()
	file, err := dist.Open("dist/" + name + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	content, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
