package simulate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"bootes.dev/internal/bootfile"
)

// ipxe boots what iPXE was told to.
func (p *player) ipxe(ctx context.Context, f Firmware, c choice) error {
	if c.file == "" {
		p.story.stage = StageDisk
		return p.sanboot(ctx, newRunner(p, f, c), []string{c.root})
	}
	u, err := locate(c.file, c.next)
	if err != nil {
		return fails(err.Error())
	}
	p.story.stage = StageScript
	what := strings.ToUpper(u.Scheme)
	p.story.add(Out, what, u.String())
	got, err := p.fetch(ctx, f, u, maxFile)
	var status *httpError
	if errors.As(err, &status) && ownScript.MatchString(strings.ToLower(u.Path)) {
		return p.noScript(u.String(), status)
	}
	if err != nil {
		return p.failed(ctx, what, u, err)
	}
	p.story.add(In, what, size(len(got.data), got.took))
	if file := bootfile.Identify(got.data); !file.Script {
		return p.loop(f, u, file)
	}
	return p.runScript(ctx, f, c, u, got)
}

// noScript ends where a Boötes keeps a machine's script to itself.
func (p *player) noScript(url string, status *httpError) error {
	p.story.bad(In, "HTTP", status.Error())
	switch {
	case status.status != http.StatusForbidden:
		return fails(fmt.Sprintf("the server does not make a script: %s", status), "`journalctl -u bootes` on the server says why")
	case p.Ticket == "":
		return unclear("the server gives this machine's script, which holds the key to its disk, to the machine alone",
			"run `bootes simulate` on the server, as a user who may use its socket: there it goes on")
	}
	return unclear("the server that answered is not the one whose socket was asked for a ticket: "+url, "run `bootes simulate` on that server")
}

// loop ends where iPXE is given a program in place of a script.
func (p *player) loop(f Firmware, u *url.URL, file bootfile.File) error {
	wrong := f.efi && file.Machine != 0 && file.Machine != f.machine
	if !file.IPXE() && !wrong {
		p.story.add(None, "loader", "it is "+file.String())
		return p.beyond("iPXE", u, file)
	}
	p.story.bad(None, "loader", "it is "+file.String())
	if wrong {
		return fails(fmt.Sprintf("%s is for %s, and this is %s", u, bootfile.MachineName(file.Machine), f.Title))
	}
	return fails(fmt.Sprintf("a loop: iPXE is told to fetch iPXE again, %s", u),
		"have the DHCP server name its loader to firmware only, and a script to clients with user class iPXE (option 77)")
}
