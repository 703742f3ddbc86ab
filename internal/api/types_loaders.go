package api

// Loaders are the files that firmware is given to start iPXE.
type Loaders struct {
	Folders []string `json:"folders" doc:"where they are looked for, in this order"`
	Loaders []Loader `json:"loaders"`
}

// Loader is the file that one kind of firmware is given, or what would be one.
type Loader struct {
	Firmware string `json:"firmware"`
	File     string `json:"file,omitempty" doc:"in its folder; none: there is none"`
	Folder   string `json:"folder,omitempty"`
	Signed   bool   `json:"signed" doc:"a shim, which firmware with Secure Boot runs"`
	Lack     string `json:"lack,omitempty" doc:"what to put where"`
}
