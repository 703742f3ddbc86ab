package httpboot

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

func TestFacts(t *testing.T) {
	base := serve(t, Options{Script: func(_ context.Context, r ScriptRequest) (string, error) {
		return fmt.Sprint(r.Facts), nil
	}})
	for query, want := range map[string]string{
		"":                                     "map[]",
		"?serial=5CG%201&product=&m0=0003":     "map[m0:[0003] product:[] serial:[5CG 1]]",
		"?product=PC%20(i440FX%20+%20PIIX)":    "map[product:[PC (i440FX + PIIX)]]",
		"?serial=%zz&product=Box":              "map[product:[Box]]",
		"?serial=" + strings.Repeat("x", 4088): "map[serial:[" + strings.Repeat("x", 4088) + "]]",
		"?serial=" + strings.Repeat("x", 4090): "map[]",
	} {
		if _, _, body := get(t, "GET", base+"/ipxe/52-54-00-00-00-01"+query); body != want {
			t.Errorf("%.80s: %.80s, want %.80s", query, body, want)
		}
	}
}
