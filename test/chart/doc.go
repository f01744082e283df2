// Package chart tests charts/ingress421 and config/ as users meet them: with
// helm, and with a real API server that checks, admits and authorises.
package chart
