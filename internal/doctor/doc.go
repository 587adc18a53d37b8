// Package doctor looks at the machine before people have to: each check says what was
// found, whether that is enough to run Shoal, and what to do if not. What is measured
// stands apart from what is made of it, which is pure.
package doctor
