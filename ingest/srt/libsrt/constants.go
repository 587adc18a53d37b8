package libsrt

// Option is an option of a socket (SRT_SOCKOPT).
type Option int32

// Options that are integers or switches.
const (
	optSendSync    Option = 1  // SRTO_SNDSYN
	optReceiveSync Option = 2  // SRTO_RCVSYN
	OptReuseAddr   Option = 15 // SRTO_REUSEADDR, switch: others may bind to the port too
	OptPeerVersion Option = 35 // SRTO_PEERVERSION, to be read: 0x00MMmmpp
	OptConnTimeout Option = 36 // SRTO_CONNTIMEO, ms
	OptReceiveLag  Option = 43 // SRTO_RCVLATENCY, ms: how long what arrives waits for what is lost
	OptPeerLag     Option = 44 // SRTO_PEERLATENCY, ms: the least that the peer is to wait
	OptMinVersion  Option = 45 // SRTO_MINVERSION, as OptPeerVersion
	OptIPv6Only    Option = 54 // SRTO_IPV6ONLY, switch; must be set to bind to [::]
	OptPeerIdle    Option = 55 // SRTO_PEERIDLETIMEO, ms: the longest silence of a peer
)

// Options that are text.
const (
	OptPassphrase Option = 26 // SRTO_PASSPHRASE, 10 to 79 bytes or none
	OptStreamID   Option = 46 // SRTO_STREAMID, at most 512 bytes
)

// MaxStreamID is the most bytes of a stream id.
const MaxStreamID = 512

// MaxPayload is the most bytes of one message in live mode (SRT_LIVE_MAX_PLSIZE).
const MaxPayload = 1456

// State is the state of a socket (SRT_SOCKSTATUS).
type State int32

// States that matter here.
const (
	StateListening  State = 3
	StateConnecting State = 4
	StateConnected  State = 5
	StateBroken     State = 6
	StateClosing    State = 7
	StateClosed     State = 8
	StateNone       State = 9
)

// Reject is why a handshake was refused: a reason of the library's own (SRT_REJ_…),
// or 1000 and more, one of the listener's (access_control.h).
type Reject int32

// Reasons that matter here.
const (
	RejectPeer      Reject = 2    // SRT_REJ_PEER
	RejectBadSecret Reject = 10   // SRT_REJ_BADSECRET: wrong passphrase
	RejectUnsecure  Reject = 11   // SRT_REJ_UNSECURE: one side has a passphrase, one has not
	RejectTimeout   Reject = 16   // SRT_REJ_TIMEOUT
	BadRequest      Reject = 1400 // SRT_REJX_BAD_REQUEST
	Unauthorized    Reject = 1401 // SRT_REJX_UNAUTHORIZED
	Overload        Reject = 1402 // SRT_REJX_OVERLOAD
	BadMode         Reject = 1405 // SRT_REJX_BAD_MODE
	Conflict        Reject = 1409 // SRT_REJX_CONFLICT
	Internal        Reject = 1500 // SRT_REJX_ISE
)

// Codes of errors (srt.h, SRT_ERRNO).
const (
	codeConnLost = 2001
	codeNoConn   = 2002
	codeAgain    = 6000 // and the codes after it: would block
	codeLast     = 6999
)

// Events of an epoll (SRT_EPOLL_OPT).
const (
	In  = 0x1 // something can be read or accepted
	Out = 0x4 // connected, something can be written
	Err = 0x8 // broken
)
