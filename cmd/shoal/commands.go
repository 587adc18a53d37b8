package main

import "time"

// commands is the whole command line. Defaults stand here and nowhere else.
type commands struct {
	Common

	Up         upCmd         `cmd:"" help:"Run every service in one process."`
	Ingest     ingestCmd     `cmd:"" help:"Run only the ingest: RTMP in, pieces out."`
	Transcoder transcoderCmd `cmd:"" help:"Run only the transcoder: smaller renditions of live streams."`
	Packager   packagerCmd   `cmd:"" help:"Run only the packager: pieces in, signed entries out."`
	Seeder     seederCmd     `cmd:"" help:"Run only the seeder: the HTTP origin, the pages, and a seed in every live swarm."`
	Matchmaker matchmakerCmd `cmd:"" help:"Run only the matchmaker: the tracker by which peers find each other, and STUN."`
	Analytics  analyticsCmd  `cmd:"" help:"Run only analytics: telemetry from the bus to ClickHouse."`
	Keyring    keyringCmd    `cmd:"" help:"Run only the keyring: the creator's keys, which sign session records."`

	Stream  streamCmd  `cmd:"" help:"Add, list and remove streams."`
	Keys    keysCmd    `cmd:"" help:"Show, export and import the creator's keys."`
	SQL     sqlCmd     `cmd:"" name:"sql" help:"Ask ClickHouse what the swarm did."`
	Pull    pullCmd    `cmd:"" help:"Have a stream published from an SRT listener elsewhere, until Ctrl-C."`
	Publish publishCmd `cmd:"" help:"Publish a media file, or MPEG-TS from standard input, in real time."`
	Watch   watchCmd   `cmd:"" help:"Watch a stream natively, verifying every piece."`
	Sim     simCmd     `cmd:"" help:"Simulate swarms of thousands of viewers, beside other ways to reach them."`
	Doctor  doctorCmd  `cmd:"" help:"Say what this machine has and lacks, and what to do."`
	Version versionCmd `cmd:"" help:"Print the version."`

	Chdb chdbCmd `cmd:"" hidden:"" help:"Run the embedded ClickHouse, for the shoal that started this."`
}

// Common are the flags that every command has.
type Common struct {
	Config    string `help:"Configuration file (default shoal.yaml, if there is one)." placeholder:"FILE"`
	LogLevel  string `default:"info" enum:"debug,info,warn,error" help:"Least level of the log: ${enum}."`
	LogFormat string `default:"text" enum:"text,json" help:"Format of the log: ${enum}."`
	LogFile   string `placeholder:"FILE" help:"Where the log goes instead of standard error."`

	args []string // the command line, to read the configuration again
}

type dataFlags struct {
	Data string `default:"./data" placeholder:"DIR" help:"Where all state lies: keys, JetStream, what runs."`
}

type busFlags struct {
	NATS       string `name:"nats" placeholder:"URL" help:"Use this NATS server instead of an embedded one."`
	NATSCreds  string `name:"nats-creds" placeholder:"FILE" help:"Credentials for --nats."`
	NATSListen string `name:"nats-listen" placeholder:"ADDR" help:"Let services on other machines use the embedded server, at this address."`
}

type ingestFlags struct {
	RTMP       string        `default:":1935" placeholder:"ADDR" help:"RTMP publish address; empty for none."`
	SRT        string        `name:"srt" default:":8890" placeholder:"ADDR" help:"SRT publish address, UDP; empty for none."`
	SRTPass    string        `name:"srt-passphrase" placeholder:"WORDS" help:"Passphrase of 10 to 79 bytes that SRT publishers must know; what they send is encrypted with it."`
	SRTLatency time.Duration `name:"srt-latency" default:"120ms" help:"Least time that SRT waits for what is lost on the way."`
	RTMPS      string        `default:":1936" placeholder:"ADDR" help:"RTMPS publish address; used when --tls-cert is set."`
	Piece      time.Duration `default:"200ms" help:"How long a piece plays: 160ms to 500ms."`
	MaxBitrate string        `default:"60Mbit" placeholder:"RATE" help:"Most one publisher may send."`
	Idle       time.Duration `default:"10s" help:"A publisher that sends nothing this long is gone: 1s to 1h."`
}

type retentionFlags struct {
	Retention time.Duration `default:"24h" help:"How long signed entries are kept, at least 1m."`
}

type keyFlags struct {
	SessionLength time.Duration `default:"24h" help:"How long a session key signs before the next takes over: 10s to 24h."`
	Fresh         time.Duration `default:"10s" help:"A stream whose newest entry is older than this is shown as stale: 1s to 1m."`
}

// sessionFlags are for a packager and a keyring that run apart.
type sessionFlags struct {
	Sessions string `name:"sessions" placeholder:"DIR" help:"Folder in which the keyring leaves session keys for the packager: both must name the same (default: sessions in --data)."`
}

type originFlags struct {
	Window    time.Duration `default:"30s" help:"How much of a live stream stays playable: 10s to 10m."`
	WindowMax string        `default:"256MB" placeholder:"BYTES" help:"Most memory the window of one stream may take."`
	Consent   string        `default:"ask" placeholder:"MODE" help:"What viewers' pages do in swarms until the viewer chooses: ask (nothing), share, download (take, but give nothing) or edge (everything from servers, for all)."`
}

// swarmFlags are for who takes part in swarms.
type swarmFlags struct {
	Torrent    string `name:"torrent" default:":6881" placeholder:"ADDR" help:"BitTorrent address of the seed; empty for no swarms, only HTTP."`
	WebRTC     string `name:"webrtc" default:":6882" placeholder:"ADDR" help:"UDP address for peers that only ICE reaches; empty for none."`
	PublicIP   string `name:"public-ip" placeholder:"IP" help:"Address by which the world reaches this machine, where that is another than its own (default: the host of --public-url, if that is an IP)."`
	ICEServers string `name:"ice-servers" placeholder:"URLS" help:"STUN and TURN servers for ICE besides our own, separated by commas, such as stun:stun.example.org:3478 or turn:USER:PASSWORD@turn.example.org:3478; only pages use TURN."`
	TURN       string `name:"turn" placeholder:"ADDR" help:"UDP address of a TURN server of our own, such as :3479, which relays for pages that reach nobody else and for viewers who hide their address; none by default. Relays have ports 49152 to 65535."`
	TURNRate   string `name:"turn-rate" default:"100Mbit" placeholder:"RATE" help:"Most that all relays together carry."`
	Trackers   string `name:"trackers" placeholder:"URLS" help:"Trackers that peers meet by, separated by commas (default: our own)."`
	Egress     string `placeholder:"RATE" help:"Most that all swarms together are given, such as 200Mbit; no bound by default."`
}

// trackerFlags are for who helps peers to find each other.
type trackerFlags struct {
	TrackerUDP   string `name:"tracker-udp" default:":6969" placeholder:"ADDR" help:"UDP address of the tracker; empty for HTTP only."`
	AllowOrigins string `name:"allow-origins" placeholder:"URLS" help:"Other sites whose pages may meet peers by our tracker, such as https://example.org, separated by commas; * for every site."`
	STUN         string `name:"stun" default:":3478" placeholder:"ADDR" help:"UDP address of the STUN server; empty for none."`
}

// archiveFlags say what stays of a stream.
type archiveFlags struct {
	ArchiveWindow time.Duration `default:"60s" help:"How much of a stream one archive file holds: 10s to 2m; 0s keeps no archive."`
	ArchiveAge    time.Duration `default:"168h" help:"How long archive files are kept, at least 1m."`
	ArchiveMax    string        `default:"20GB" placeholder:"BYTES" help:"Most that archive files may take together; the oldest go first."`
}

type httpFlags struct {
	HTTP      string `name:"http" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Pages, origin, API and metrics."`
	PublicURL string `name:"public-url" placeholder:"URL" help:"How the world reaches --http; printed in links."`
}

type tlsFlags struct {
	TLSCert string `name:"tls-cert" placeholder:"FILE" help:"Certificate for HTTPS and RTMPS; reloaded when it changes."`
	TLSKey  string `name:"tls-key" placeholder:"FILE" help:"Key of --tls-cert."`
}

type traceFlags struct {
	Trace string `placeholder:"URL" help:"Send traces of pieces to this OTLP/HTTP collector."`
}
