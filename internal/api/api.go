// Package api is how people and scripts reach a running server: REST with
// JSON over HTTP on a unix socket, described by itself at /openapi.json, and
// the Go client that the command line uses.
//
//	GET    /v1/status                     who answers
//	GET    /v1/images                     all images
//	POST   /v1/images                     import one (a task)
//	GET    /v1/images/{name}/{tag}        DELETE alike
//	GET    …/history                      its chain of layers
//	GET    …/trace                        what a machine read while it booted it
//	POST   …/verify                       flatten and export alike (tasks)
//	GET    …/files?path=                  what a folder holds; file: its bytes
//	GET    /v1/tags                       all tags
//	POST   /v1/tags                       make or move one
//	DELETE /v1/tags/{name}/{tag}
//	GET    /v1/machines                   all machines
//	POST   /v1/machines                   add one
//	GET    /v1/machines/{name}            PATCH and DELETE alike
//	GET    …/boots                        its last boots; name may be a MAC
//	GET    …/packets                      its last packets, as a pcap file; …/lines: in words
//	POST   …/update                       make an image on it; DELETE: do not
//	POST   …/publish                      make the image
//	POST   …/restore                      make its disk of a backup (a task)
//	POST   …/disks                        attach a volume or an image
//	DELETE …/disks/{lun}                  detach it
//	GET    /v1/boots                      the newest of every machine
//	GET    /v1/waiting                    machines that wait for approval
//	POST   /v1/waiting/{mac}/approval     add one; DELETE /v1/waiting/{mac}
//	GET    /v1/volumes                    all volumes
//	POST   /v1/volumes                    make a blank one
//	GET    /v1/volumes/{id}               PATCH and DELETE alike
//	POST   …/snapshots                    take one; DELETE …/snapshots/{name}
//	POST   …/rollback                     reset, resize, clone, commit alike
//	POST   …/flatten                      export and backup alike (tasks)
//	POST   …/restore                      a data volume, of a backup (a task)
//	GET    …/diff                         files and file as for images
//	GET    …/io                           how fast it serves, and what was slow
//	GET    /v1/space                      where the bytes are
//	GET    /v1/dhcp                       each interface, and who else answers
//	GET    /v1/loaders                    which firmware is given which file
//	GET    /v1/events                     boot events from now on (a stream)
//	GET    /metrics                       for Prometheus
//
// Names are snake_case, sizes bytes, times RFC 3339. Errors are problem
// documents (RFC 9457), whose type tells their Kind.
//
// Streams are JSON values, one a line. A task sends {"progress":…} lines and
// at last {"result":…} or {"error":…}; one that fails before it has begun is
// answered with a plain problem document. A client that goes away cancels its
// task.
//
// The server may open any file, its clients may not. So they pass an open
// descriptor (SCM_RIGHTS) along with the request's first bytes, and the server
// reads or writes nothing but that: a regular file, or for a backup a pipe. A
// client that is root may name a file to import by its path.
package api
