// Package demo is `make demo`: two computers without disks, one with a BIOS
// and one with UEFI, boot at the same time from clones of one golden image, in
// a private lab network.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"bootes.dev/internal/lab"
	"bootes.dev/internal/lab/site"
	"bootes.dev/internal/recorder"
)

// Folders of the demo; demo/bootes.yaml names them too.
const (
	dataDir = "/var/lib/bootes-demo"
	runDir  = "/run/bootes-demo"
	socket  = runDir + "/bootes.sock"
)

// imageRef is the golden image's name in the demo.
const imageRef = "debian:12"

// bootTime bounds the boot of both machines.
const bootTime = 15 * time.Minute

// machine is a computer of the demo.
type machine struct {
	name, mac, mode string
	firmware        lab.Firmware

	guest *lab.Guest
	login time.Duration // from power-on to the login prompt
}

func machines() []*machine {
	return []*machine{
		{name: "bios-pc", mac: "52:54:00:b0:07:01", mode: "persistent", firmware: lab.BIOS},
		{name: "uefi-pc", mac: "52:54:00:b0:07:02", mode: "ephemeral", firmware: lab.UEFI},
	}
}

// Options of a demo.
type Options struct {
	Program string    // path of bootes
	Lab     string    // path of this program, for what is printed
	Config  string    // path of demo/bootes.yaml
	Out     io.Writer // progress and report
	Keep    func()    // if set, the lab stays up until ctx ends; called when it is up
}

// demo is one run.
type demo struct {
	Options
	out      sync.Mutex // one line at a time
	start    time.Time
	site     *site.Site
	machines []*machine
}

// Run runs the demo.
func Run(ctx context.Context, o Options) (err error) {
	lock, err := alone()
	if err != nil {
		return err
	}
	defer lock.Close()
	d := &demo{Options: o, machines: machines()}
	path, err := site.GoldenImage(ctx, d.building())
	if err != nil {
		return err
	}
	d.item("golden image", "%s", path)
	if err := makeFolders(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeFolders()) }()
	n, err := lab.NewNet(lab.NetOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	d.item("network", "bridge %s, %s, in network namespace %s", lab.Bridge, n.Server(), n.Name())
	if err := d.serve(ctx, n, path); err != nil {
		return err
	}
	if err := d.boot(ctx); err != nil {
		return err
	}
	if err := d.report(ctx); err != nil {
		return err
	}
	if o.Keep == nil {
		d.printf("\nNothing is left running. To look around inside: make demo KEEP=1\n")
		return nil
	}
	return d.keep(ctx)
}

// makeFolders makes the demo's folders; what an earlier run left in them goes.
func makeFolders() error {
	if err := removeFolders(); err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(dataDir, 0o700), os.MkdirAll(runDir, 0o755))
}

func removeFolders() error { return errors.Join(os.RemoveAll(dataDir), os.RemoveAll(runDir)) }

// serve starts the server and tells it of the image and the machines.
func (d *demo) serve(ctx context.Context, n *lab.Net, image string) (err error) {
	d.site, err = site.Start(ctx, n, site.Options{Program: d.Program, Config: d.Config, Socket: socket})
	if err != nil {
		return err
	}
	d.item("server", "bootes serve --config demo/bootes.yaml")
	if _, err := d.site.CLI(ctx, "image", "import", imageRef, image, "--identity"); err != nil {
		return err
	}
	d.item("image", "%s", imageRef)
	for _, m := range d.machines {
		if _, err := d.site.CLI(ctx, "machine", "add", m.name, "--mac", m.mac, "--image", imageRef, "--"+m.mode); err != nil {
			return err
		}
		d.item("machine", "%s  %s  %s  %s", m.name, m.mac, m.firmware, m.mode)
	}
	return nil
}

// boot switches both machines on and follows them to their login prompts.
func (d *demo) boot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	if err := d.site.Watch(ctx, d.event); err != nil {
		return err
	}
	d.printf("\n")
	d.start = time.Now()
	errs := make(chan error)
	for _, m := range d.machines {
		go func() { errs <- d.bootOne(ctx, m) }()
	}
	var all error
	for range d.machines {
		all = errors.Join(all, <-errs)
	}
	return all
}

func (d *demo) bootOne(ctx context.Context, m *machine) (err error) {
	d.line(m.name, "power on")
	m.guest, err = d.site.Net.StartGuest(ctx, lab.GuestOptions{Name: m.name, Firmware: m.firmware, MAC: m.mac})
	if err != nil {
		return err
	}
	if err := lab.WaitLogin(ctx, m.guest); err != nil {
		return err
	}
	m.login = time.Since(d.start)
	d.line(m.name, "login prompt on the console")
	return nil
}

func (d *demo) event(e recorder.Event) {
	if e.Again > 0 {
		return
	}
	text := e.Text
	if e.Level != recorder.Info {
		text = string(e.Level) + ": " + text
	}
	d.line(e.Subject(), text)
}

// line prints one thing that happened to a machine.
func (d *demo) line(name, text string) {
	d.printf("%7.1f s  %-8s  %s\n", time.Since(d.start).Seconds(), name, text)
}

// item prints one thing that was set up.
func (d *demo) item(what, format string, args ...any) {
	d.printf("%-14s%s\n", what, fmt.Sprintf(format, args...))
}

func (d *demo) printf(format string, args ...any) {
	d.out.Lock()
	defer d.out.Unlock()
	fmt.Fprintf(d.Out, format, args...)
}

// building reports the stages of an image's build, the first time.
func (d *demo) building() func(stage string, done, total int) {
	start := time.Now()
	return func(stage string, done, total int) {
		d.item("building", "%2d of %d  %s  (%.0f s)", done, total, stage, time.Since(start).Seconds())
	}
}
