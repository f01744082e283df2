package source

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/hostsfile"
)

// Config says what is ours of the objects, and who is told.
type Config struct {
	compile.Options
	// GuardHosts is the file of --guard-hosts; nil: there is none.
	GuardHosts *hostsfile.File
	// Self is this process as it is now, to which nothing is forwarded. It may
	// be nil.
	Self func() hostmap.Self
	// Publish makes a host map live. It is called by one goroutine at a time.
	Publish func(*hostmap.Map)
	// Report is told after each Publish. It may be nil.
	Report func(Outcome)
	// Log takes what happens. Nil: slog.Default().
	Log *slog.Logger
}

// State is what was listed: all objects there are.
type State struct {
	// Input holds the objects, and what the kind of source decides. What
	// [Config] says is filled in by the loop.
	Input compile.Input
	// Problems are those with what the objects were read from.
	Problems []hostmap.Problem
	// Positions are where objects stand, as far as they stand in files. A load
	// of files has them.
	Positions map[hostmap.Object]Position
	// Same tells that nothing has changed since the last list.
	Same bool
}

// Position is where an object stands.
type Position struct {
	File string // its path, begun as it was asked for
	Line int    // where the object begins, from 1
	// Find is where a field of it stands, such as "spec.rules[0].host" or
	// "metadata.annotations[NAME]", else the innermost one around it that is
	// written: its line, and its column in characters, from 1.
	Find func(field string) (line, column int)
}

// List lists the state. It is called by one goroutine at a time, and its
// objects are not changed.
type List func(context.Context) (State, error)

// Outcome is what became of a state.
type Outcome struct {
	Input    compile.Input
	Map      *hostmap.Map
	Problems []hostmap.Problem // all, in order
	Took     time.Duration     // listing, compiling and publishing
	// Positions are those of the state.
	Positions map[hostmap.Object]Position
}

// Load lists and compiles once. Nothing is published.
func Load(ctx context.Context, c Config, list List) (Outcome, error) {
	began := time.Now()
	state, err := list(ctx)
	if err != nil {
		return Outcome{}, err
	}
	if c.ExternalNames {
		n := newNames(cmp.Or(c.Log, slog.Default()), func() {})
		asked := state.Input
		n.add(&asked)
		n.lookUp(ctx, n.takeFresh())
		n.add(&state.Input)
	}
	o, _ := c.compile(nil, state)
	o.Took = time.Since(began)
	return o, nil
}

// compile makes the map of a state upon the one before it, and says when to
// make it again although nothing has changed; zero: never.
func (c *Config) compile(previous *hostmap.Map, state State) (o Outcome, next time.Time) {
	in := state.Input
	in.Now = time.Now()
	in.Options = c.Options
	var faults []hostmap.Problem
	in.GuardHosts, faults = c.GuardHosts.Hosts()
	if c.Self != nil {
		in.Self = c.Self()
	}
	m, problems, next := compile.Build(previous, in)
	if len(state.Problems)+len(faults) != 0 {
		problems = slices.Concat(state.Problems, faults, problems)
		slices.SortFunc(problems, hostmap.Problem.Compare)
	}
	return Outcome{Input: in, Map: m, Problems: problems, Positions: state.Positions}, next
}
