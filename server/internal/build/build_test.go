package build

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestInfo(t *testing.T) {
	t.Parallel()
	settings := func(pairs ...string) (list []debug.BuildSetting) {
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, debug.BuildSetting{Key: pairs[i], Value: pairs[i+1]})
		}
		return list
	}
	for want, built := range map[string]*debug.BuildInfo{
		"(devel), " + runtime.Version(): nil,
		"v1.2.3, " + runtime.Version():  {Main: debug.Module{Version: "v1.2.3"}},
		"(devel), commit abc, of 2026-11-27T10:00:00Z, " + runtime.Version(): {
			Settings: settings("vcs.revision", "abc", "vcs.time", "2026-11-27T10:00:00Z", "vcs.modified", "false"),
		},
		"(devel), commit abc-dirty, " + runtime.Version(): {Settings: settings("vcs.modified", "true", "vcs.revision", "abc")},
	} {
		if got := of(built).String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if Read().Go != runtime.Version() {
		t.Errorf("%+v", Read())
	}
}
