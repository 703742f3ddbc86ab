package lab

import (
	"net"
	"testing"
	"time"
)

func TestShare(t *testing.T) {
	n := New(t, NetOptions{})
	c, guest := fakeGuest(t)
	g := &Guest{net: n, opt: GuestOptions{Name: "pc1"}, console: c}
	if err := g.Share(n.Path("share")); err != nil {
		t.Fatal(err)
	}
	var people []net.Conn
	for range 2 {
		conn, err := net.Dial("unix", n.Path("share"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		// Typing shows that the console knows of the watcher.
		if _, err := conn.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		typed := make([]byte, 8)
		if k, err := guest.Read(typed); err != nil || string(typed[:k]) != "x" {
			t.Fatalf("the guest reads %q, %v", typed[:k], err)
		}
		people = append(people, conn)
	}
	if _, err := guest.Write([]byte("login: ")); err != nil {
		t.Fatal(err)
	}
	for i, conn := range people {
		seen := make([]byte, 16)
		if k, err := conn.Read(seen); err != nil || string(seen[:k]) != "login: " {
			t.Errorf("person %d sees %q, %v", i, seen[:k], err)
		}
	}
	if _, err := c.Expect(t.Context(), "login: "); err != nil {
		t.Error(err)
	}
}
