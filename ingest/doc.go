// Package ingest turns what creators send into pieces: it decides who may publish,
// claims an epoch for each publish, cuts the media into pieces and puts them on the
// bus. The protocols stand below it (rtmp), the cutting in fmp4.
package ingest
