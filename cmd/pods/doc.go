// Package pods finds the pods in which ingress421 runs, and forwards
// connections to their admin port, as kubectl port-forward does. What it needs
// are the rights to list pods and to create their port forwards; neither
// Secrets nor Ingresses are read.
package pods
