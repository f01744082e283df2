package cmd

import (
	"slices"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/cmd/process"
	"github.com/ingress421/ingress421/internal/compile"
)

// objectFlags are the flags that say which objects are meant, for every command
// that reads some.
type objectFlags struct {
	to                 *process.Config
	namespaces         []string
	defaultCertificate string
	nginx              string
	guard              guardFlags
}

// register adds the flags. What is done with a folder or a cluster, and with
// namespaces, is said by a verb each.
func (o *objectFlags) register(f *pflag.FlagSet, do, with string) {
	f.StringVar(&o.to.Manifests, "manifests", "", do+" this folder of Kubernetes YAML instead of a cluster")
	f.StringVar(&o.to.Kubeconfig, "kubeconfig", "", "the cluster to "+do+"; without it $KUBECONFIG, ~/.kube/config, the pod's own")
	f.StringSliceVar(&o.namespaces, "namespace", nil, with+" these namespaces only")
	f.StringVar(&o.to.Controller, "controller-name", v1alpha1.DefaultControllerName, do+" IngressClasses with this spec.controller")
	f.StringSliceVar(&o.to.ClassNames, "ingress-class", nil, "and these, by name, whatever their spec.controller: classes of a controller that ran before")
	f.BoolVar(&o.to.Classless, "watch-ingress-without-class", false, "and Ingresses that name no class, whatever the default class is")
	f.StringVar(&o.defaultCertificate, "default-certificate", "", "Secret (namespace/name) for hosts without one of their own")
	f.BoolVar(&o.to.AllowSharedHosts, "allow-shared-hosts", false, "let several namespaces have rules for one host")
	f.BoolVar(&o.to.ExternalNames, "allow-external-names", false, "serve Services of type ExternalName: whoever may create one chooses an address, inside the cluster or outside")
	f.StringVar(&o.nginx, "nginx-annotations", "off", "read ingress-nginx's annotations: off, strict (what protects and cannot be honoured closes its paths), lenient")
	o.guard.register(f)
}

// clusterFlags say which cluster is meant.
func clusterFlags(f *pflag.FlagSet, c *process.Config, do string) {
	f.StringVar(&c.Kubeconfig, "kubeconfig", "", "the cluster to "+do+"; without it $KUBECONFIG, ~/.kube/config, the pod's own")
	contextFlag(f, c)
}

func contextFlag(f *pflag.FlagSet, c *process.Config) {
	f.StringVar(&c.Context, "context", "", "the context of the kubeconfig; without it its current one")
}

// settle reads what was given and refuses what contradicts itself.
func (o *objectFlags) settle(f *pflag.FlagSet) (err error) {
	c := o.to
	if c.DefaultCertificate, err = namespacedName("default-certificate", o.defaultCertificate); err != nil {
		return err
	}
	var ok bool
	if c.Nginx, ok = compile.ParseNginx(o.nginx); !ok {
		return usagef("--nginx-annotations %q: want off, strict or lenient", o.nginx)
	}
	if c.Guarded, c.Guard, err = o.guard.settle(); err != nil {
		return err
	}
	c.GuardHosts = o.guard.hosts
	c.Namespaces = o.namespaces
	switch {
	case f.Changed("namespace") && len(c.Namespaces) == 0:
		return usagef("--namespace: want at least one")
	case f.Changed("manifests") && c.Manifests == "":
		return usagef("--manifests: want a folder") // nobody who names one means the cluster
	case c.Manifests != "" && (c.Kubeconfig != "" || len(c.Namespaces) != 0):
		return usagef("--manifests does not go with --kubeconfig or --namespace")
	case c.Controller == "":
		return usagef("--controller-name: want the spec.controller of the IngressClasses to take")
	case f.Changed("ingress-class") && len(c.ClassNames) == 0 || slices.Contains(c.ClassNames, ""):
		return usagef("--ingress-class: want names of IngressClasses, separated by commas")
	}
	for _, name := range c.ClassNames {
		if slices.Contains(c.Guarded, name) {
			return usagef("--ingress-class %q: it is guarded (--guard-class), and either this controller serves it or that one does", name)
		}
	}
	for _, namespace := range c.Namespaces {
		// An empty one would stand for all.
		if len(validation.IsDNS1123Label(namespace)) != 0 {
			return usagef("--namespace %q: want names of namespaces, separated by commas", namespace)
		}
	}
	return nil
}
