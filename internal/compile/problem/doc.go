// Package problem is how all rooms of the compiler say what is wrong with an
// object: the reasons, the list that bounds what one object may say, and the
// words that make a tenant's text fit for messages, logs and events.
package problem
