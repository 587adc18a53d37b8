// Package hls lets any player on the viewer's machine play what the viewer verified: a
// small low-latency HLS server (RFC 8216bis) over the live window, beside the origin's
// and with the same playlists, which are a pure function of the signed entries.
//
//	/index.m3u8                  the rendition that is watched
//	/<r>/index.m3u8              its pieces, with blocking reload and delta updates
//	/<r>/init/<root>.mp4, /<r>/<epoch>/<n>.m4s, /<r>/seg/<msn>.m4s
//	/                            a few words for people
//
// window decides what is shown, Server answers. Nothing is served whose bytes are not
// what was signed: Add looks again.
package hls
