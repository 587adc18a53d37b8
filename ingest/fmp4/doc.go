// Package fmp4 cuts a publisher's access units into pieces: fragmented MP4 (ISO/IEC
// 14496-12) with audio and video muxed, each piece one moof and one mdat.
//
// Nothing here does I/O or looks at a clock: a Chunker is a fold over what arrived.
//
// # Where pieces are cut
//
// A keyframe starts a piece and a segment. Otherwise a piece is a whole number of
// frames, the one nearest to Options.Target, and it is handed out the moment its
// last frame arrives: how long that frame lasts is taken from the frames before it
// (the mean of recent steps near their median) instead of waiting for the next one.
// Audio goes into the piece that is open when it arrives. Without video, a piece is
// a whole number of audio frames and any piece can start a segment.
//
// # Times
//
// One epoch has one timeline that starts at 0 with the first picture's decode time
// or the audio's first frame, whichever is earlier. Video is in 1/90000 s; audio
// counts samples, so that it joins without gaps, and is set right by its timestamps
// when the two differ by more than 60 ms. Presentation times are exact and never
// before decode times, so composition offsets (trun version 1) are not negative and
// no edit list is needed. A fragment's decode time (tfdt) is true, which keeps the
// guess about a last frame from adding up, with one exception: after missing
// frames, the first picture's decode time (never its presentation time) is drawn
// back to the end of the fragment before, because Media Source Extensions throw away
// everything up to the next keyframe when decode times leap by more than two frames.
//
// Timestamps that leap (more than 3 s forward, or 0.5 s back) are an encoder's clock
// being set: the timeline goes on where it was. Smaller gaps stay gaps in the video;
// in AAC and Opus they are filled with silence, as players lose sync over holes.
//
// Opus pre-skip is stated in dOps and not cut out with an edit list: a listener
// joins a live stream in its middle, where there is nothing to skip.
package fmp4
