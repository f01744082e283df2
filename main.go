// Command ingress421 is a Kubernetes ingress controller and its data plane: it
// answers 421 to requests that arrive on connections not made for them.
package main

import (
	"os"

	"github.com/ingress421/ingress421/cmd"
)

func main() {
	os.Exit(cmd.Main(os.Args[1:], os.Stdout, os.Stderr))
}
