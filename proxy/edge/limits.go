package edge

import (
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/h2"
	"github.com/ingress421/ingress421/proxy/http1"
)

func h2Limits(l hostmap.Limits) h2.Limits {
	return h2.Limits{
		MaxStreams: uint32(l.MaxStreams), MaxHeaderBytes: uint32(l.MaxHeaderBytes), MaxHeaderFields: l.MaxHeaderFields,
		MaxContinuations: l.MaxContinuations,
		ResetBurst:       l.ResetBurst, ResetRate: float64(l.ResetRate),
		ControlBurst: l.ControlBurst, ControlRate: float64(l.ControlRate),
		PrefaceTimeout: l.PrefaceTimeout, HeaderTimeout: l.HeaderTimeout, IdleTimeout: l.IdleTimeout,
		StallTimeout: l.StallTimeout, MaxAge: l.MaxConnectionAge,
	}
}

func http1Limits(l hostmap.Limits) http1.Limits {
	return http1.Limits{
		MaxHeaderBytes: l.MaxHeaderBytes, MaxHeaderFields: l.MaxHeaderFields,
		HeaderTimeout: l.HeaderTimeout, IdleTimeout: l.IdleTimeout, StallTimeout: l.StallTimeout,
	}
}
