// Package manifests is the source of host maps that needs no cluster: a folder
// of Kubernetes YAML and JSON, watched.
//
// The folder is read as `kubectl apply -f DIR` reads it: the *.yaml, *.yml and
// *.json files in it, not those of its subfolders, each with any number of
// documents and lists. Names that begin with a dot are left alone, since
// editors and copying tools write there first. Six kinds count: Ingress,
// IngressClass, Secret, Service, EndpointSlice and AuthorityPolicy; a manifest
// may hold whatever else an application needs. What an API server would have
// filled in (the namespace "default", a Secret's stringData, the protocol of a
// port) is filled in here.
//
// A file is taken whole or not at all. Where it cannot be read or parsed, or is
// empty, which is how a file looks while somebody writes it, the objects of its
// last good content stay, and a problem says file and line. A file that never
// was good gives those of its documents that parse. An Ingress, a Secret or an
// AuthorityPolicy with a field that its kind has not counts as one that does
// not, as with the strict validation of kubectl. An object that two files hold
// is the one of the first file by name.
//
// An Ingress without a creation time (metadata.creationTimestamp) has that of its
// file when it came, and keeps it while it is there. Hosts stay with those who
// have them; a new one goes to the oldest Ingress that claims it.
//
// Changes are noticed by events of the folder itself, so that renames and the
// symlink swaps of a mounted ConfigMap are seen, and by looking at the files
// twice a second, because network mounts and the targets of symlinks send no
// events. Either way the folder is read once it has been quiet for 50 ms, or
// 500 ms after the first event of a folder that is never quiet.
package manifests
