package simulate

// Stage is a part of the way from power-on to the disk.
type Stage string

// The stages, in their order.
const (
	StageFirmware Stage = "firmware"
	StageLoader   Stage = "loader"
	StageIPXE     Stage = "iPXE"
	StageScript   Stage = "script"
	StageDisk     Stage = "disk"
)

// Way is where a packet goes.
type Way string

// The ways.
const (
	Out  Way = "out"
	In   Way = "in"
	None Way = "" // no packet
)

// Step is a packet, or a thing that the machine does, and what it means.
type Step struct {
	N     int      `json:"n"`
	Stage Stage    `json:"stage"`
	Way   Way      `json:"way,omitempty"`
	What  string   `json:"what"` // DISCOVER, OFFER, TFTP, HTTP, script, iSCSI, disk
	Text  string   `json:"text"`
	Means []string `json:"means,omitempty"`
	Bad   bool     `json:"bad,omitempty"` // it ends the boot
}

// Outcome is how a simulated boot ends.
type Outcome string

// The outcomes.
const (
	Boots   Outcome = "boots"
	Fails   Outcome = "fails"
	Unclear Outcome = "unclear" // nobody can say from here
)

// Verdict is what comes of it all.
type Verdict struct {
	Outcome  Outcome  `json:"outcome"`
	Text     string   `json:"text"`
	Remedies []string `json:"remedies,omitempty"`
}

// Report is a whole simulation.
type Report struct {
	MAC       string   `json:"mac"`
	Machine   string   `json:"machine,omitempty"`
	Firmware  string   `json:"firmware"`
	Interface string   `json:"interface"`
	Steps     []Step   `json:"steps"`
	Remarks   []string `json:"remarks,omitempty"` // of the server, on its packets
	Verdict   Verdict  `json:"verdict"`
}

// story gathers steps and tells them as they come.
type story struct {
	steps []Step
	stage Stage
	tell  func(Step)
}

func (s *story) add(way Way, what, text string, means ...string) {
	s.put(Step{Way: way, What: what, Text: text, Means: means})
}

// bad is add for what ends the boot.
func (s *story) bad(way Way, what, text string, means ...string) {
	s.put(Step{Way: way, What: what, Text: text, Means: means, Bad: true})
}

func (s *story) put(st Step) {
	st.N, st.Stage = len(s.steps)+1, s.stage
	s.steps = append(s.steps, st)
	if s.tell != nil {
		s.tell(st)
	}
}

// ending is the error that ends a simulation: the verdict itself.
type ending struct{ Verdict }

func (e *ending) Error() string { return e.Text }

func fails(text string, remedies ...string) error {
	return &ending{Verdict{Fails, text, remedies}}
}

func unclear(text string, remedies ...string) error {
	return &ending{Verdict{Unclear, text, remedies}}
}

func boots(text string) error { return &ending{Verdict{Boots, text, nil}} }
