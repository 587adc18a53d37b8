// Package bt carries the live swarm over BitTorrent: one standing torrent per stream,
// whose content is the tiny descriptor, and on its connections the extension sh_live.
// It also seeds finished files as ordinary torrents. It is the one place that knows
// anacrolix/torrent and pion.
//
// The connections are our own: the library is handed a net.Conn whose Read takes the
// frames of sh_live out of the byte stream and gives them to the stream's handler, and
// whose link writes frames between the library's messages. So no frame meets the
// library's client-wide lock or its unbounded write buffers; it sees handshakes and the
// descriptor's pieces, and nothing of the video.
package bt
