// Package dash answers what the dashboard asks: a fixed table of questions, each with SQL of its own, behind a login. What comes
// from outside reaches ClickHouse as parameters only, and each request is one bounded question.
package dash
