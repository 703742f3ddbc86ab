package simulate

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"bootes.dev/internal/recorder"
)

// asking is a machine of a room that has an offer, and the server that it is of.
func asking(t *testing.T, file string) *roomClient {
	t.Helper()
	fw, err := FirmwareByName("bios")
	if err != nil {
		t.Fatal(err)
	}
	c := &RoomClients{Firmware: fw, Simulation: "s1", Ticket: "a ticket", Servers: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}
	var r Room
	if err := c.Boot(&r); err != nil || len(r.stages) != len(roomStages) {
		t.Fatalf("%v, stages %v", err, r.stages)
	}
	m := r.boot(net.HardwareAddr{6, 0, 0, 0, 0, 1}, nil).(*roomClient)
	m.offer.File = file
	return m
}

// The ticket is shown to the server that gave it, and to no other.
func TestRoomScript(t *testing.T) {
	answer := "#!ipxe\n"
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ipxe/x" || r.URL.Query().Get("simulate") != "a ticket" {
			http.Error(w, "asked for "+r.URL.String(), http.StatusForbidden)
		}
		_, _ = w.Write([]byte(answer))
	}))
	defer web.Close()
	m := asking(t, web.URL+"/ipxe/x")
	if err := m.step(t.Context(), recorder.StageScript); err != nil || m.script != answer || len(m.door) != 0 {
		t.Errorf("%q, %v", m.script, err)
	}
	answer = "<html>"
	if err := m.step(t.Context(), recorder.StageScript); !errors.Is(err, errNoScript) {
		t.Error(err)
	}
	m.offer.File = web.URL + "/other"
	if err := m.step(t.Context(), recorder.StageScript); err == nil || !strings.HasPrefix(err.Error(), "the web server answers 403 Forbidden: asked for /other") {
		t.Error(err)
	}
	m.Servers = []netip.Addr{netip.MustParseAddr("127.0.0.2")}
	if err := m.step(t.Context(), recorder.StageScript); !errors.Is(err, errForeign) {
		t.Error(err)
	}
}

func TestRoomLogin(t *testing.T) {
	for script, want := range map[string]string{
		"#!ipxe\necho Bootes cannot boot pc01:\necho no image\nshell\n": "the script boots no disk, but says: Bootes cannot boot pc01: no image",
		"#!ipxe\nsanboot iscsi:server:::0:iqn.x ||\n":                   `"iscsi:server:::0:iqn.x" names no address: write iscsi:SERVER:PROTOCOL:PORT:LUN:TARGET`,
		"#!ipxe\nsanboot iscsi:127.0.0.1:::0:iqn.x ||\n":                "initiator and target need names",
	} {
		m := asking(t, "")
		m.script = script
		if err := m.step(t.Context(), recorder.StageLogin); err == nil || err.Error() != want || len(m.door) != 0 {
			t.Errorf("%q: %v", script, err)
		}
	}
}

func TestRoomFirmware(t *testing.T) {
	for name, want := range map[string]string{"ipxe": "", "efi": "", "rpi": "a Raspberry Pi does not become iPXE: a room cannot be of it"} {
		fw, err := FirmwareByName(name)
		if err != nil {
			t.Fatal(err)
		}
		var r Room
		err = (&RoomClients{Firmware: fw}).Boot(&r)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "ipxe" && (len(r.stages) != 4 || r.stages[0] != recorder.StageIPXE) {
			t.Errorf("%v", r.stages)
		}
	}
}
