// Package api is how people and scripts reach a running server: REST with
// JSON over HTTP on a unix socket, described by itself at /openapi.json, and
// the Go client that the command line uses.
//
//	GET    /v1/status                     who answers
//	GET    /v1/images                     all images
//	POST   /v1/images                     import one (a stream, see below)
//	GET    /v1/images/{name}/{tag}
//	DELETE /v1/images/{name}/{tag}
//	GET    /v1/machines                   all machines
//	POST   /v1/machines                   add one
//	GET    /v1/machines/{name}            PATCH and DELETE alike
//	GET    /v1/machines/{name}/boots      its last boots; name may be a MAC
//	GET    /v1/volumes                    all volumes
//	GET    /v1/volumes/{id}               PATCH and DELETE alike
//	GET    /v1/events                     boot events from now on (a stream)
//
// Names are snake_case, sizes bytes, times RFC 3339. Errors are problem
// documents (RFC 9457), whose type tells their Kind.
//
// Streams are JSON values, one a line. An import sends {"progress":…} lines
// and at last {"image":…} or {"error":…}; one that fails before it has begun
// is answered with a plain problem document. A client that goes away cancels
// its import.
//
// A file to import is named by a path only if the client is root: the server
// reads any file, its clients may not. Other clients pass an open descriptor
// (SCM_RIGHTS) along with the request's first bytes, and the server reads
// nothing but that.
package api
