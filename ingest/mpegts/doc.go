// Package mpegts is the way in for MPEG transport streams (ISO/IEC 13818-1, ITU-T
// H.222.0), however they came: SRT messages, datagrams, a file. Its Demuxer takes the
// bytes in any cut and gives a Sink the access units of one program: one video and one
// audio track.
//
// Carried are H.264 and HEVC (H.222.0 sections 2.14, 2.17), AV1 (AOMedia's "Carriage
// of AV1 in MPEG-2 TS"), AAC in ADTS or LATM/LOAS (ISO/IEC 14496-3), and Opus (ETSI TS
// 103 491, as ffmpeg and OBS write it). Everything else in the stream is named in a
// Warning, once, and passed over.
//
// Nothing damaged is passed on. A continuity counter that skips, a transport error, a
// PES packet that breaks off: what was being put together is dropped. Audio goes on at
// its next whole frame. Video goes on at the next picture that a decoder can start at:
// four bits of counter cannot tell one lost packet from seventeen, so nobody knows
// which pictures went with them, and whatever refers to one of them would be shown, and
// kept, broken.
//
// Nothing waits for what comes next where its own bytes tell that it is whole: by the
// length that a PES packet states, or by how its last packet is filled up.
//
// Tables are read by go-astits, out of sections whose checksum holds. Packets and PES
// headers are read here: that library keeps all packets of a PES packet on the heap,
// and waits for the next one even where the length is stated.
package mpegts
