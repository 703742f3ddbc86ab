package initiator_test

import (
	"fmt"
	"os"
	"testing"

	"bootes.dev/internal/initiator"
	"bootes.dev/internal/lab"
)

// tgt is a target that others wrote: what we say to it must be the standard's,
// not only our own target's.
func TestTgt(t *testing.T) {
	lab.Require(t, lab.RecipePrograms...)
	n := lab.New(t, lab.NetOptions{})
	image := n.Path("disk")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 64<<20); err != nil {
		t.Fatal(err)
	}
	r, err := n.StartRecipe(limit(t), lab.RecipeMachine{
		Name: "pc1", MAC: "52:54:00:be:9c:01", Image: image, User: user, Secret: secret,
	})
	for _, digest := range []string{"HeaderDigest", "DataDigest"} {
		if err == nil {
			_, err = r.Admin(limit(t), "--mode", "target", "--op", "update", "--tid", "1", "-n", digest, "-v", "CRC32C,None")
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	// tgt takes CHAP_A 7 for SHA-1; by the IANA's list it is SHA-256.
	o := options(func(o *initiator.Options) { o.Target, o.Algorithms = lab.RecipeIQN("pc1"), "5" })
	addr := fmt.Sprintf("%s:3260", n.Server().Addr())
	check := func(f func() error) {
		t.Helper()
		if err := n.Do(f); err != nil {
			t.Error(err)
		}
	}
	check(func() error {
		list, err := initiator.Discover(limit(t), addr, options(func(o *initiator.Options) { o.User = "" }))
		if err == nil && (len(list) != 1 || list[0].Name != o.Target) {
			err = fmt.Errorf("discovered %+v", list)
		}
		return err
	})
	for _, digests := range []bool{false, true} {
		for _, immediate := range []bool{false, true} {
			o.HeaderDigest, o.DataDigest, o.ImmediateData = digests, digests, immediate
			check(func() error { return exercise(t, addr, o) })
		}
	}
	o.Secret = "wrong"
	if err := n.Do(func() error { return exercise(t, addr, o) }); err == nil {
		t.Error("in with a wrong secret")
	}
}

// exercise writes, reads, pings and logs out.
func exercise(t *testing.T, addr string, o initiator.Options) error {
	s, err := initiator.Dial(limit(t), addr, o)
	if err != nil {
		return err
	}
	defer s.Close()
	d, err := s.Disk(limit(t), 1)
	if err != nil {
		return err
	}
	p := make([]byte, 700<<10)
	initiator.Stamp(p, 4096, 3)
	if err := d.WriteAt(limit(t), p, 4096); err != nil {
		return fmt.Errorf("write with %+v: %w", s.Negotiated(), err)
	}
	clear(p)
	if err := d.ReadAt(limit(t), p, 4096); err != nil {
		return fmt.Errorf("read with %+v: %w", s.Negotiated(), err)
	}
	if err := initiator.CheckStamp(p, 4096, 3); err != nil {
		return err
	}
	if err := d.Flush(limit(t)); err != nil {
		return err
	}
	if err := s.Ping(limit(t), []byte("ping")); err != nil {
		return err
	}
	return s.Logout(limit(t))
}
