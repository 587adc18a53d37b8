// Package archtest holds the project's laws as tests: who may import whom, who may read
// flags or exit, what every file owes its reader. It parses every Go file of the module,
// whatever its build tags, and each breach is reported with the reason for the law.
package archtest
