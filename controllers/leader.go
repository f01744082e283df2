package controllers

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// LeaseName is the Lease by which replicas agree on a leader.
const LeaseName = "ingress421-leader"

// Times of the election, those of most controllers.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// election runs work in one replica at a time. The manager's own election ends
// the whole process when the lease is lost, which an API server that is away
// is enough for; this one stands again.
type election struct {
	*Config
	work   func(context.Context)
	leases coordinationv1.LeasesGetter // nil: no election
	who    string
	one    sync.Mutex // held while work runs
}

func newElection(c *Config, work func(context.Context)) (*election, error) {
	e := &election{Config: c, work: work}
	if !c.LeaderElection {
		return e, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name this replica: %w", err)
	}
	e.who = host + "_" + rand.String(10)
	// An election is not patient: a request that takes longer is lost anyway.
	config := rest.CopyConfig(c.Rest)
	config.Timeout = renewDeadline / 2
	if e.leases, err = coordinationv1.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("reach leases: %w", err)
	}
	return e, nil
}

// Start implements manager.Runnable.
func (e *election) Start(ctx context.Context) error {
	if e.leases == nil {
		e.work(ctx)
		return nil
	}
	lease := e.LeaderNamespace + "/" + LeaseName
	for ctx.Err() == nil {
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: &resourcelock.LeaseLock{
				LeaseMeta:  metav1.ObjectMeta{Namespace: e.LeaderNamespace, Name: LeaseName},
				Client:     e.leases,
				LockConfig: resourcelock.ResourceLockConfig{Identity: e.who},
			},
			Name:            LeaseName,
			LeaseDuration:   leaseDuration,
			RenewDeadline:   renewDeadline,
			RetryPeriod:     retryPeriod,
			ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(ctx context.Context) {
					// The work of a lost term may not have ended yet.
					e.one.Lock()
					defer e.one.Unlock()
					if ctx.Err() != nil {
						return
					}
					e.Log.Info("this replica writes status and events", "lease", lease)
					e.work(ctx)
				},
				OnStoppedLeading: func() {
					if ctx.Err() == nil {
						e.Log.Warn("the lease is lost, another replica may write status and events", "lease", lease)
					}
				},
			},
		})
		if err != nil {
			return fmt.Errorf("stand for election: %w", err)
		}
		elector.Run(ctx)
	}
	e.one.Lock()
	defer e.one.Unlock()
	return nil
}
