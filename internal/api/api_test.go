package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/recorder"
)

func TestCalls(t *testing.T) {
	f := newFake()
	c, _ := serve(t, f)
	ctx := t.Context()
	limit, mode := int64(5), Ephemeral
	for _, tt := range []struct {
		name  string
		call  func() (any, error)
		want  any
		calls []any
	}{
		{"images", func() (any, error) { return c.Images(ctx) }, f.images, nil},
		{"image", func() (any, error) { return c.Image(ctx, "debian:12") }, f.images[0], nil},
		{"rm image", func() (any, error) { return nil, c.RemoveImage(ctx, "a b:1?x") }, nil, []any{"rm image", "a b:1?x"}},
		{"machines", func() (any, error) { return c.Machines(ctx) }, f.machines, nil},
		{"machine", func() (any, error) { return c.Machine(ctx, "pc01") }, f.machines[0], nil},
		{
			"add machine", func() (any, error) {
				return c.AddMachine(ctx, NewMachine{Name: "a", MACs: []string{"m"}, Image: "i:1", Limit: &limit})
			},
			Machine{Name: "a", MACs: []string{"m"}, Image: "i:1", Mode: Persistent, Limit: limit},
			[]any{NewMachine{Name: "a", MACs: []string{"m"}, Image: "i:1", Mode: Persistent, Limit: &limit}},
		},
		{
			"set machine", func() (any, error) { return c.SetMachine(ctx, "pc01", MachineChange{Mode: &mode}) },
			f.machines[0], []any{"pc01", MachineChange{Mode: &mode}},
		},
		{"rm machine", func() (any, error) { return nil, c.RemoveMachine(ctx, "a/b") }, nil, []any{"rm machine", "a/b"}},
		{
			"credentials", func() (any, error) { return c.Credentials(ctx, "pc01") },
			Credentials{Machine: "pc01", Portals: []string{"10.0.0.1:3260"}, RootPaths: []string{"iscsi:10.0.0.1:::0:iqn"}, User: "u", Created: born, Held: &born}, nil,
		},
		{
			"new credentials", func() (any, error) {
				return c.NewCredentials(ctx, "pc01", CredentialsRequest{Initiator: "iqn.x"})
			},
			Credentials{Machine: "pc01", Portals: []string{}, RootPaths: []string{}, User: "u", Secret: "s", Created: born},
			[]any{"new credentials", "pc01", CredentialsRequest{Initiator: "iqn.x"}},
		},
		{"revoke credentials", func() (any, error) { return nil, c.RevokeCredentials(ctx, "pc01") }, nil, []any{"revoke credentials", "pc01"}},
		{"volumes", func() (any, error) { return c.Volumes(ctx) }, f.volumes, nil},
		{"volume", func() (any, error) { return c.Volume(ctx, "v1") }, f.volumes.Volumes[0], nil},
		{
			"set volume", func() (any, error) { return c.SetVolume(ctx, "v1", VolumeChange{Limit: &limit}) },
			f.volumes.Volumes[0], []any{"v1", VolumeChange{Limit: &limit}},
		},
		{
			"image trace", func() (any, error) { return c.Trace(ctx, "debian:12") },
			Trace{Image: "debian:12", Machine: "pc01", Began: born, Size: 4 << 30, Bytes: 512, Marks: []TraceMark{}, Reads: []TraceRead{{AtUS: 7, Offset: 4096, Length: 512}}},
			nil,
		},
		{
			"volume io", func() (any, error) { return c.VolumeIO(ctx, "v1", 2*time.Second) },
			VolumeIO{Volume: "v1", Since: &born, Ops: []OpIO{{Op: "read", IOPS: 2}}, Slow: []SlowIO{}}, []any{"io", "v1", 2 * time.Second},
		},
		{"rm volume", func() (any, error) { return nil, c.RemoveVolume(ctx, "v1") }, nil, []any{"rm volume", "v1"}},
		{"boots of one that never booted", func() (any, error) { return c.Boots(ctx, "pc01") }, []MachineBoot{}, nil},
	} {
		f.set(func() { f.calls = nil })
		got, err := tt.call()
		f.set(func() {
			if err != nil || !reflect.DeepEqual(got, tt.want) || !reflect.DeepEqual(f.calls, tt.calls) {
				t.Errorf("%s: %+v, %v; want %+v\nthe server was called with %+v, want %+v", tt.name, got, err, tt.want, f.calls, tt.calls)
			}
		})
	}
	s, err := c.Status(ctx)
	if err != nil || s.Version != "1.2.3" || s.PID != os.Getpid() || time.Since(s.Started) > time.Minute {
		t.Errorf("status: %+v, %v", s, err)
	}
}

// What scripts see must not change by accident.
func TestJSON(t *testing.T) {
	f := newFake()
	c, _ := serve(t, f)
	f.Add(Event{Time: born, Boot: "b1", Machine: "pc01", MAC: "52:54:00:00:00:01", Stage: recorder.StageLogin, Text: "opened <its> disk", Outcome: recorder.OutcomeStalled})
	for path, want := range map[string]string{
		"/v1/images/debian/12": `{"ref":"debian:12","digest":"sha256:ab","layer":"l1","size":4294967296,"stored":1073741824,"own":0,"depth":0,"tags":[],"hashed":false,"identity":true,"created":"2026-01-02T03:04:05Z"}`,
		"/v1/machines": `[{"name":"pc01","macs":["52:54:00:00:00:01"],"image":"debian:12","mode":"persistent","limit":0,"created":"2026-01-02T03:04:05Z",` +
			`"last_boot":{"id":"b1","started":"2026-01-02T03:04:05Z","stage":"login","outcome":"stalled","time":"2026-01-02T03:04:05Z","level":"info","text":"opened <its> disk"}}]`,
		"/v1/volumes": `{"volumes":[{"id":"v1","machine":"pc01","ref":"","image":"debian:12","digest":"","mode":"persistent","size":4294967296,"stored":4096,"own":0,"private":0,"limit":0,"used_percent":0,"write_through":false,"depth":0,"snapshots":[],"open":false,"read_bytes":0,"written_bytes":0,"created":"2026-01-02T03:04:05Z","block_size":0}],"freeing":7}`,
		"/v1/machines/pc01/boots": `[{"id":"b1","machine":"pc01","mac":"52:54:00:00:00:01","started":"2026-01-02T03:04:05Z","stage":"login",` +
			`"outcome":"stalled","ended":"2026-01-02T03:04:05Z","stages":[{"stage":"login","at":"2026-01-02T03:04:05Z","took_ns":0}],"last":"2026-01-02T03:04:05Z","events":[{"time":"2026-01-02T03:04:05Z","boot":"b1","machine":"pc01","mac":"52:54:00:00:00:01","stage":"login","level":"info","text":"opened <its> disk","outcome":"stalled"}]}]`,
	} {
		if got := body(t, c, path); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", path, got, want)
		}
	}
	f.set(func() { f.images, f.machines, f.volumes.Volumes = nil, nil, nil })
	for path, want := range map[string]string{"/v1/images": "[]", "/v1/machines": "[]", "/v1/volumes": `{"volumes":[],"freeing":7}`} {
		if got := body(t, c, path); got != want {
			t.Errorf("%s, empty: %s", path, got)
		}
	}
}

func body(t *testing.T, c *Client, path string) string {
	t.Helper()
	resp, err := c.send(t.Context(), c.http, http.MethodGet, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func TestErrorsKeepTheirKindAndWords(t *testing.T) {
	f := newFake()
	c, _ := serve(t, f)
	for kind, status := range statusOf {
		f.set(func() { f.err = fmt.Errorf("remove machine: %w", Errorf(kind, "of kind %s", kind)) })
		err := c.RemoveMachine(t.Context(), "x")
		var e *Error
		if !errors.As(err, &e) || e.Kind() != kind || e.Status != status || err.Error() != "remove machine: of kind "+string(kind) {
			t.Errorf("%s: %#v", kind, err)
		}
	}
	f.set(func() { f.err = errors.New("wires cut") })
	var e *Error
	if err := c.RemoveVolume(t.Context(), "x"); !errors.As(err, &e) || e.Kind() != Internal || e.Detail != "wires cut" {
		t.Errorf("an error of no kind: %#v", err)
	}
	for what, call := range map[string]func() error{
		"images":   func() error { _, err := c.Images(t.Context()); return err },
		"machines": func() error { _, err := c.Machines(t.Context()); return err },
		"volumes":  func() error { _, err := c.Volumes(t.Context()); return err },
	} {
		if err := call(); err == nil || err.Error() != "wires cut" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestBadRequests(t *testing.T) {
	c, _ := serve(t, newFake())
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/v1/nothing", "", 404, "no such resource: GET /v1/nothing (GET /openapi.json lists them)"},
		{"PUT", "/v1/machines", "", 404, "no such resource: PUT /v1/machines (GET /openapi.json lists them)"},
		{"GET", "/v1/machines/zz", "", 404, `no machine "zz"`},
		{"GET", "/v1/machines/zz/boots", "", 404, `no machine "zz"`},
		{"GET", "/v1/images/debian/13", "", 404, `no image "debian:13"`},
		{"GET", "/v1/volumes/v9", "", 404, `no volume "v9"`},
		{"GET", "/v1/machines?x=1", "", 422, "validation failed: query.x: unknown query parameter"},
		{"POST", "/v1/machines", `{"macs":[],"image":"i:1"}`, 422, "validation failed: body.macs: expected array length >= 1; body: expected required property name to be present"},
		{"POST", "/v1/machines", `{"name":"a","macs":["m"],"image":"i:1","mode":"wobbly"}`, 422, "validation failed: body.mode: expected value to be one of \"persistent, ephemeral\""},
		{"POST", "/v1/machines", `{"name":"a","macs":["m"],"image":"i:1","color":"red"}`, 422, "validation failed: body.color: unexpected property"},
		{"PATCH", "/v1/volumes/v1", `{"limit":-1}`, 422, "validation failed: body.limit: expected number >= 0"},
		{"POST", "/v1/machines", `{"name":`, 400, "validation failed: body: unexpected end of JSON input"},
	} {
		if e := ask(t, c, tt.method, tt.path, tt.body); e.Status != tt.status || e.Detail != tt.want {
			t.Errorf("%s %s %s:\ngot  %+v\nwant %s", tt.method, tt.path, tt.body, e, tt.want)
		}
	}
	for _, ref := range []string{"", "debian", "debian:", ":12"} {
		if _, err := c.Image(t.Context(), ref); err == nil || !strings.Contains(err.Error(), "write name:tag") {
			t.Errorf("image %q: %v", ref, err)
		}
	}
}

// ask sends body as it is, even if it is no JSON.
func ask(t *testing.T, c *Client, method, path, body string) *Error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://x"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%s %s: the error is of type %q", method, path, got)
	}
	return readProblem(resp)
}

func TestBootsOfAMachineIncludeThoseFromBeforeItWasAdded(t *testing.T) {
	f := newFake()
	c, _ := serve(t, f)
	f.Add(Event{Time: born, Boot: "b1", MAC: "52:54:00:00:00:01", Text: "unknown"})
	f.Add(Event{Time: born.Add(time.Hour), Boot: "b2", Machine: "pc01", Text: "known"})
	f.Add(Event{Time: born, Boot: "b3", MAC: "52:54:00:00:00:99", Text: "a stranger"})
	boots, err := c.Boots(t.Context(), "pc01")
	if err != nil || len(boots) != 2 || boots[0].ID != "b2" || boots[1].ID != "b1" {
		t.Errorf("pc01: %+v, %v", boots, err)
	}
	boots, err = c.Boots(t.Context(), "52:54:00:00:00:99")
	if err != nil || len(boots) != 1 || boots[0].Events[0].Text != "a stranger" {
		t.Errorf("a stranger's MAC: %+v, %v", boots, err)
	}
}

func TestWatch(t *testing.T) {
	f := newFake()
	c, stop := serve(t, f)
	enough := errors.New("enough")
	var got []string
	err := c.Watch(t.Context(), func() { f.Add(Event{Text: "one"}); f.Add(Event{Text: "two"}) }, func(e Event) error {
		if got = append(got, e.Text); len(got) == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || strings.Join(got, " ") != "one two" {
		t.Errorf("watch: %v, %q", err, got)
	}

	ctx, cancel := context.WithCancel(t.Context())
	if err := c.Watch(ctx, cancel, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled watch: %v", err)
	}

	err = c.Watch(t.Context(), func() { go stop() }, nil)
	var u *Unreachable
	if !errors.As(err, &u) || !strings.Contains(err.Error(), "it was stopped") {
		t.Errorf("watch of a server that stops: %v", err)
	}
}

func TestOpenAPI(t *testing.T) {
	c, _ := serve(t, newFake())
	var doc struct {
		OpenAPI string
		Info    struct{ Version string }
		Paths   map[string]map[string]struct{ Summary string }
	}
	if err := json.Unmarshal([]byte(body(t, c, "/openapi.json")), &doc); err != nil {
		t.Fatal(err)
	}
	n := 0
	for path, methods := range doc.Paths {
		for method, op := range methods {
			if n++; op.Summary == "" {
				t.Errorf("%s %s has no summary", method, path)
			}
		}
	}
	if doc.OpenAPI != "3.1.0" || doc.Info.Version != "1.2.3" || n != 66 {
		t.Errorf("OpenAPI %s of version %s with %d operations", doc.OpenAPI, doc.Info.Version, n)
	}
}
