package httpboot

import (
	"net/http"
	"strings"
)

// oneSlash serves a loader's path with two slashes as if it had one. Shim joins
// its folder and its second stage so, and follows no redirect.
func oneSlash(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.Path; strings.HasPrefix(p, "/loader/") && strings.Contains(p, "//") {
			r = r.Clone(r.Context())
			for strings.Contains(p, "//") {
				p = strings.ReplaceAll(p, "//", "/")
			}
			r.URL.Path, r.URL.RawPath = p, ""
		}
		h.ServeHTTP(w, r)
	})
}
