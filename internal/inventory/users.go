package inventory

import (
	"fmt"
	"slices"
	"strings"

	"bootes.dev/internal/store"
)

// Users are those who need an image or a tag, by name.
type Users struct {
	Machines, Volumes, Tags []string
	Images                  []string // built on it
	Disks                   []string // volumes that stand on it, whatever their records name
	Snapshots               []string // VOLUME@NAME, that stand on it
	Attached                []Seat   // machines that have it beside their own disk
}

func (u *Users) add(o Users) {
	for _, list := range []struct{ to, from *[]string }{
		{&u.Machines, &o.Machines}, {&u.Volumes, &o.Volumes}, {&u.Tags, &o.Tags},
		{&u.Images, &o.Images}, {&u.Disks, &o.Disks}, {&u.Snapshots, &o.Snapshots},
	} {
		*list.to = append(*list.to, *list.from...)
		slices.Sort(*list.to)
		*list.to = slices.Compact(*list.to)
	}
	u.Disks = slices.DeleteFunc(u.Disks, func(v string) bool { return slices.Contains(u.Volumes, v) })
}

// usersOf are those whose records name an image or a tag, and who need it: a
// volume that stands on no image keeps the name only to be reset to, and its
// machine boots without.
func (in *Inventory) usersOf(tx *store.Tx, ref string) (u Users, err error) {
	volumes, err := in.volumes.In(tx).List()
	if err != nil {
		return u, err
	}
	alone := map[string]bool{} // machines whose disk for ref needs nothing else
	for _, v := range volumes {
		switch {
		case v.Value.Image == "":
			if v.Value.Ref == ref && v.Value.Mode == Persistent {
				alone[v.Value.Machine] = true
			}
		case v.Value.Image == ref || v.Value.Ref == ref:
			u.Volumes = append(u.Volumes, v.Key)
		}
		for name, s := range v.Value.Snapshots {
			if s.Image == ref && v.Value.Image != ref {
				u.Snapshots = append(u.Snapshots, v.Key+"@"+name)
			}
		}
	}
	machines, err := values(in.machines.In(tx).List())
	if err != nil {
		return u, err
	}
	u.Attached = seats(machines, Attachment.image)[ref]
	for _, m := range machines {
		if m.Image == ref && !(m.Mode == Persistent && alone[m.Name]) {
			u.Machines = append(u.Machines, m.Name)
		}
	}
	tags, err := in.tags.In(tx).List()
	for _, t := range tags {
		if t.Value.Image == ref {
			u.Tags = append(u.Tags, t.Key)
		}
	}
	slices.Sort(u.Snapshots)
	return u, err
}

// refuse is the error that names all users of a thing, and for each sort the
// command that helps; nil without users. instead is what machines may be given.
func (u Users) refuse(kind, ref, instead string) error {
	e := &InUseError{Kind: kind, Name: ref}
	var todo []string
	for _, s := range []struct {
		kind  string
		names []string
		do    string // with what the names are, and all of them
	}{
		{"machine", u.Machines, "give %[1]s another image with `bootes machine set %[3]s --image " + instead + "`"},
		{"volume", u.Volumes, "remove %[1]s with `bootes volume rm %[2]s` or make %[4]s stand alone with `bootes volume flatten %[3]s`"},
		{"volume", u.Disks, "make %[1]s stand alone with `bootes volume flatten %[3]s`"},
		{"snapshot", u.Snapshots, "remove %[1]s with `bootes volume rm %[2]s`"},
		{"tag", u.Tags, "move %[1]s with `bootes image tag %[3]s IMAGE` or remove %[4]s with `bootes image rm %[2]s`"},
		{"image", u.Images, "make %[1]s stand alone with `bootes image flatten %[3]s`"},
	} {
		if len(s.names) == 0 {
			continue
		}
		e.By = append(e.By, prefixed(s.kind+" ", s.names)...)
		what, one, it := "that "+s.kind, s.names[0], "it"
		if len(s.names) > 1 {
			what, one, it = "those "+s.kind+"s", strings.ToUpper(s.kind), "them"
		}
		todo = append(todo, fmt.Sprintf(s.do, what, strings.Join(s.names, " "), one, it))
	}
	if len(u.Attached) > 0 {
		e.By = append(e.By, seated(u.Attached)...)
		todo = append(todo, detachFirst(u.Attached))
	}
	if len(e.By) == 0 {
		return nil
	}
	e.Remedy = "first " + strings.Join(todo, ", ")
	return e
}
