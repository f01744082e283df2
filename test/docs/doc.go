// Package docs keeps the pages for users true to the code: links, metrics,
// annotations, reasons of problems.
package docs
