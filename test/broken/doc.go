// Package broken holds what people are told to what they need: of ten things
// that are commonly broken, check, explain and the log each name the object, the
// field and the mend, and page, metric and response as much as they can.
package broken
