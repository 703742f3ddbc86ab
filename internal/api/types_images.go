package api

import "time"

// Tag is a movable name that points to an image.
type Tag struct {
	Ref      string    `json:"ref" minLength:"1" doc:"the tag's own name:tag"`
	Image    string    `json:"image" minLength:"1" doc:"name:tag of the image it points to"`
	Previous string    `json:"previous,omitempty" doc:"the image it pointed to before"`
	Moved    time.Time `json:"moved"`
}

// TagRequest is the body of POST /v1/tags.
type TagRequest struct {
	Ref   string `json:"ref" minLength:"1" doc:"the tag's own name:tag"`
	Image string `json:"image" minLength:"1" doc:"name:tag of the image it shall point to; a tag means the image that it points to"`
}

// HistoryLine is one layer of the chain that an image is read through.
type HistoryLine struct {
	Layer      string    `json:"layer"`
	Image      string    `json:"image,omitempty" doc:"name:tag of the image that this layer is"`
	SnapshotOf string    `json:"snapshot_of,omitempty" doc:"id of the volume that this layer is a snapshot of"`
	Own        int64     `json:"own" doc:"bytes of its own blocks"`
	Stored     int64     `json:"stored" doc:"bytes it takes on the server"`
	Size       int64     `json:"size" doc:"of the disk, in bytes"`
	Created    time.Time `json:"created"`
}

// Verified is what came of reading all of an image.
type Verified struct {
	Ref    string     `json:"ref"`
	Digest string     `json:"digest"`
	Size   int64      `json:"size" doc:"of the disk, in bytes"`
	Bad    []BadRange `json:"bad" doc:"what is not as it was when the image was made; none: the image is good"`
}

// BadRange is a piece of an image that is wrong.
type BadRange struct {
	Offset int64    `json:"offset" doc:"bytes from the beginning of the disk"`
	Length int64    `json:"length" doc:"bytes"`
	Layers []string `json:"layers" doc:"ids of the layers whose files hold it"`
}

// Checked is what was found in an image that would keep machines from booting it.
type Checked struct {
	Ref    string       `json:"ref"`
	Good   []string     `json:"good" doc:"what is as it should be"`
	Faults []ImageFault `json:"faults"`
	Notes  []string     `json:"notes,omitempty" doc:"what was not looked at: folders of other computers, an initramfs compressed by xz"`
}

// ImageFault is something wrong in an image.
type ImageFault struct {
	Name   string `json:"name" doc:"a word for scripts, such as kernel-missing"`
	Sure   bool   `json:"sure" doc:"no machine gets over it; else some may"`
	Text   string `json:"text"`
	Remedy string `json:"remedy"`
}

// Commit is the body of POST /v1/volumes/{id}/commit.
type Commit struct {
	Snapshot string `json:"snapshot,omitempty" doc:"what to make the image of; default: the disk as it is now"`
	Ref      string `json:"ref" minLength:"1" doc:"name:tag of the new image"`
	Tag      string `json:"tag,omitempty" doc:"tag to point to it then"`
}

// NewImage is an image that was made of a volume.
type NewImage struct {
	Image
	Consistent string `json:"consistent" enum:"clean,crash" doc:"crash: of a running machine, as if its power had been cut"`
	Moved      *Tag   `json:"moved,omitempty" doc:"the tag that points to it now, if that was asked for"`
	IdentityOf string `json:"identity_of,omitempty" doc:"machine whose SSH host keys and machine-id are inside the image: its clones replace them, but can read them"`
}

// UpdateRequest is the body of POST /v1/machines/{name}/update.
type UpdateRequest struct {
	Image string `json:"image" minLength:"1" doc:"image or tag to boot a writable copy of"`
}

// Update is a machine that boots a writable copy of an image instead of its
// own disk, to make the next image of it.
type Update struct {
	Machine string    `json:"machine"`
	Image   string    `json:"image" doc:"name:tag"`
	Volume  string    `json:"volume,omitempty" doc:"id of the copy, once the machine has booted it"`
	Written int64     `json:"written" doc:"bytes of blocks written to the copy"`
	Started time.Time `json:"started"`
}

// Publish is the body of POST /v1/machines/{name}/publish.
type Publish struct {
	Ref     string `json:"ref" minLength:"1" doc:"name:tag of the new image"`
	Tag     string `json:"tag,omitempty" doc:"tag to point to it then"`
	Running bool   `json:"running,omitempty" doc:"take the disk of a machine that is not off, as if its power had been cut"`
}

// Space is where the bytes are.
type Space struct {
	Dir      string        `json:"dir" doc:"the data folder"`
	Capacity int64         `json:"capacity" doc:"of its file system"`
	Free     int64         `json:"free" doc:"of that"`
	MinFree  int64         `json:"min_free" doc:"of free, what machines may not fill"`
	Freeing  int64         `json:"freeing" doc:"of removed disks that are still being freed"`
	TotalOwn int64         `json:"total_own" doc:"that all images and volumes take together"`
	Images   []ImageSpace  `json:"images"`
	Volumes  []VolumeSpace `json:"volumes"`
}

// ImageSpace is the space of one image, in bytes.
type ImageSpace struct {
	Ref     string `json:"ref"`
	Virtual int64  `json:"virtual" doc:"size of the disk"`
	Own     int64  `json:"own" doc:"that nothing else uses: what its removal gives back"`
	Shared  int64  `json:"shared" doc:"that others use too"`
}

// VolumeSpace is the space of one volume, in bytes.
type VolumeSpace struct {
	ID      string `json:"id"`
	Machine string `json:"machine"`
	Virtual int64  `json:"virtual" doc:"size of the disk"`
	Own     int64  `json:"own" doc:"that nothing else uses: what its removal, with its snapshots, gives back"`
	Shared  int64  `json:"shared" doc:"that others use too"`
	Limit   int64  `json:"limit" doc:"of own; 0: none"`
}
