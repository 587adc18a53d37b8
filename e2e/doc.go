// Package e2e tests the shoal binary as people use it: real encoders publish to it,
// real players watch, and it is killed, starved and lied to. It holds no code but tests.
package e2e
