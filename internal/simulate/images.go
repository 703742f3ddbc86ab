package simulate

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"bootes.dev/internal/bootfile"
)

// resolve makes a URL of what a script names.
func (r *runner) resolve(name string) (*url.URL, error) {
	u, err := url.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no URL", name)
	}
	if r.base == nil || u.IsAbs() {
		return u, nil
	}
	return r.base.ResolveReference(u), nil
}

// get fetches what a script names, up to limit bytes.
func (r *runner) get(ctx context.Context, command, name string, limit int64) (u *url.URL, got fetched, err error) {
	if u, err = r.resolve(name); err != nil {
		r.p.story.add(None, command, err.Error())
		return nil, got, errFailed
	}
	what := strings.ToUpper(u.Scheme)
	r.p.story.add(Out, what, fmt.Sprintf("%s %s", command, u))
	got, err = r.p.fetch(ctx, r.f, u, limit)
	if ctx.Err() != nil {
		return u, got, ctx.Err()
	}
	var status *httpError
	if errors.As(err, &status) && ownScript.MatchString(strings.ToLower(u.Path)) {
		return u, got, r.p.noScript(u.String(), status)
	}
	if err != nil {
		r.p.story.add(In, what, err.Error(), "the command fails")
		return u, got, errFailed
	}
	text := size(len(got.data), got.took)
	if int64(len(got.data)) == limit {
		text = fmt.Sprintf("the first %s", text)
	}
	r.p.story.add(In, what, text)
	return u, got, nil
}

// boot is chain, and boot and imgexec of what was fetched before.
func (r *runner) boot(ctx context.Context, command string, args []string) error {
	given, rest := flags(args, "--name", "-n", "--timeout", "-t")
	if len(rest) == 0 || command != "chain" && !strings.Contains(rest[0], "/") {
		return r.bootKernel()
	}
	u, got, err := r.get(ctx, command, rest[0], maxFile)
	if err != nil {
		return err
	}
	file := bootfile.Identify(got.data)
	if file.Script {
		err := r.script(ctx, u, got.data)
		if _, replace := given["--replace"]; replace && (err == nil || errors.Is(err, errFailed)) {
			return &leave{all: true, text: "the last script ends"}
		}
		return err
	}
	return r.runsFile(u, file, len(got.data))
}

// runsFile is the verdict of a program that iPXE would run.
func (r *runner) runsFile(u *url.URL, file bootfile.File, n int) error {
	switch {
	case n == 0:
		return errFailed
	case r.f.efi && file.Machine != 0 && file.Machine != r.f.machine, !r.f.efi && file.Machine != 0:
		r.p.story.add(None, "image", "it is "+file.String(), "iPXE here cannot run it: exec format error")
		return errFailed
	case r.f.efi && file.Machine == 0:
		r.p.story.add(None, "image", "it is "+file.String(), "under UEFI iPXE runs EFI programs only: exec format error")
		return errFailed
	case file.IPXE():
		r.p.story.add(None, "image", "it is "+file.String())
		return unclear(fmt.Sprintf("the script chains another iPXE, %s, which begins anew with DHCP", u), "`bootes simulate --firmware ipxe` plays what that would be told")
	}
	r.p.story.add(None, "image", "it is "+file.String())
	return r.p.beyond("iPXE", u, file)
}

// look is how much of a kernel or an initrd is fetched by HTTP, to see that it is
// there and what it is.
const look = 1 << 20

// image is what fetches without running.
func (r *runner) image(ctx context.Context, command string, args []string) error {
	_, rest := flags(args, "--name", "-n", "--timeout", "-t")
	if len(rest) == 0 {
		return errFailed
	}
	u, got, err := r.get(ctx, command, rest[0], look)
	if err != nil {
		return err
	}
	switch command {
	case "kernel", "imgselect", "imgload":
		file := bootfile.Identify(got.data)
		r.p.story.add(None, "kernel", "it is "+file.String(), "its command line: "+strings.Join(rest[1:], " "))
		if r.f.efi && file.Machine == 0 && !file.Script {
			r.p.story.add(None, "kernel", "under UEFI iPXE runs kernels that are EFI programs only")
			return errFailed
		}
		r.kernel = u.String()
	case "initrd", "module":
		r.initrds = append(r.initrds, u.String())
	}
	return nil
}

// bootKernel is the verdict of boot.
func (r *runner) bootKernel() error {
	if r.kernel == "" {
		return errFailed
	}
	with := ""
	if len(r.initrds) > 0 {
		with = " with " + strings.Join(r.initrds, ", ")
	}
	r.p.story.add(None, "boot", r.kernel+with)
	return boots(fmt.Sprintf("the kernel %s%s; what that needs further is not seen from here", r.kernel, with))
}
