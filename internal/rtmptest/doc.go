// Package rtmptest publishes by RTMP and Enhanced RTMP v2, for tests and benchmarks:
// it sends what Debian's ffmpeg cannot (HEVC, AV1 and Opus), with timestamps, chunk
// sizes and pacing of the test's choice. Access units come from ffmpeg's encoders.
//
// A failure is an error, never a skip: what a machine lacks is installed by make setup.
package rtmptest
