// Package explain says why a request is answered as it is: what the handshake
// settled, each step of the rule with what it looked at, the verdict, what
// clients do next, and what can be changed.
//
// It is a pure function of a host map. The verdict is the wire's own:
// [hostmap.Connect], [hostmap.JudgeTraced] and [hostmap.Apply] are called, and
// their grounds put into words, so that nothing here can judge otherwise.
//
// What clients do is what docs/clients.md has measured.
package explain
