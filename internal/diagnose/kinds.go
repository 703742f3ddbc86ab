package diagnose

// The kinds of diagnoses: words for scripts, metrics and tests.
const (
	OfferIgnored     = "offer-ignored"
	NoAddress        = "no-address"
	PoolExhausted    = "pool-exhausted"
	UnknownMachine   = "unknown-machine"
	NoLoader         = "no-loader-for-firmware"
	WrongBootFile    = "wrong-boot-file"
	LoaderNotFetched = "loader-not-fetched"
	TFTPTimeout      = "tftp-timeout"
	TFTPRestarted    = "tftp-restarted"
	HTTPTimeout      = "http-timeout"

	LoaderSilent      = "loader-silent"
	WrongArchitecture = "wrong-architecture"
	LoaderLoop        = "loader-loop"

	IPXENoAddress    = "ipxe-no-address"
	ScriptNotFetched = "script-not-fetched"
	ScriptRefused    = "script-refused"

	NoLogin      = "no-login"
	LoginRefused = "login-refused"

	NotBootable   = "not-bootable"
	NoRead        = "no-read"
	NoSystemLogin = "no-system-login"

	SystemSilent = "system-silent"
	SystemGone   = "system-gone"
	CrashLoop    = "crash-loop"

	AddressConflict = "address-conflict"
	MACConflict     = "mac-conflict"

	Interrupted = "interrupted"

	Slow           = "slow"
	ConnectionLost = "connection-lost"

	DiskFull     = "disk-full"
	ImageCorrupt = "image-corrupt"

	MountMissing = "mount-missing"
)

// Kind is a way in which boots stop.
type Kind struct {
	Name    string
	Meaning string // one line
	say     func(Case) report
}

// Kinds are all that there are, in the order of a boot.
var Kinds = []Kind{
	{UnknownMachine, "nobody has added the machine, so it is told nothing to boot", unknownMachine},
	{NoLoader, "no folder of loaders has a file that its firmware can run", noLoader},
	{PoolExhausted, "the pool of addresses is used up", poolExhausted},
	{NoAddress, "its firmware asks for an address and gets none", noAddress},
	{OfferIgnored, "it has an address from another server, and does not come for its boot file", offerIgnored},
	{LoaderNotFetched, "it has an address and was told what to boot, and does not ask for the file", loaderNotFetched},
	{WrongBootFile, "it asks for a boot file that is not there", wrongBootFile},
	{TFTPTimeout, "it asked for its loader by TFTP and stopped answering", tftpTimeout},
	{TFTPRestarted, "it begins to fetch its loader by TFTP again and again", tftpRestarted},
	{HTTPTimeout, "it asked for its loader by HTTP and gave up", httpTimeout},
	{WrongArchitecture, "the loader that it was given is for another processor", wrongArchitecture},
	{LoaderLoop, "it fetches its loader again and again", loaderLoop},
	{LoaderSilent, "it fetched its loader, then silence", loaderSilent},
	{IPXENoAddress, "iPXE asks for an address and gets none", ipxeNoAddress},
	{ScriptNotFetched, "iPXE has an address, and does not fetch its script", scriptNotFetched},
	{ScriptRefused, "iPXE asks for its script, and is refused", scriptRefused},
	{NoLogin, "iPXE has its script, and does not open its disk", noLogin},
	{LoginRefused, "its disk is refused to it", loginRefused},
	{NotBootable, "there is nothing on its disk that its firmware can start", notBootable},
	{NoRead, "iPXE opened the disk and read nothing", noRead},
	{NoSystemLogin, "a system was loaded from the disk and has not opened it itself", noSystemLogin},
	{SystemGone, "the operating system opened the disk and is gone", systemGone},
	{CrashLoop, "several boots in a row came equally far and never ran", crashLoop},
	// By what else was seen; see Diagnose.
	{AddressConflict, "another network card has the machine's address, or this server's", nil},
	{MACConflict, "another computer has its MAC address", nil},
	{Interrupted, "this server was restarted while it booted, and it did not come back", interrupted},
	{ConnectionLost, "its system loses its disk, and opens it again, more than once", connectionLost},
	{SystemSilent, "its system has its session still, and does not answer", systemSilent},
	{Slow, "it goes on, and takes far longer than it should", slow},
	{DiskFull, "its writes fail: its disk, or the server's, is full", diskFull},
	{ImageCorrupt, "what is stored of its disk is damaged", imageCorrupt},
	{MountMissing, "its system is to mount what is not on its disk", mountMissing},
}
