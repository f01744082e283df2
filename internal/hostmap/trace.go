package hostmap

// Step is one question of the rule.
type Step uint8

// The steps, in the order in which [Judge] asks them; beside each its number on
// the package's page.
const (
	StepScheme      Step = iota // 1
	StepTLSPolicy               // 3
	StepGateway                 // 2
	StepCertificate             // 4
	StepVouch                   // 4b
	StepRule                    // 5
	StepServed                  // 6
	StepRoute                   // 7
	stepCount
)

var stepNumbers = [stepCount]string{"1", "3", "2", "4", "4b", "5", "6", "7"}

var stepNames = [stepCount]string{"scheme", "tls-policy", "trusted-gateway", "certificate", "vouch", "rule", "served", "route"}

func (s Step) String() string { return stepNames[s] }

// Number is the step's number on the package's page.
func (s Step) Number() string { return stepNumbers[s] }

// Steps are all steps, in order.
func Steps() []Step {
	out := make([]Step, stepCount)
	for i := range out {
		out[i] = Step(i)
	}
	return out
}

// Ground is why a step has ended as it has.
type Ground uint8

// Grounds of the steps named before them. Those that a step fails for come
// after firstFailure.
const (
	// GroundNotAsked: the request has not come to the step, or it was skipped.
	GroundNotAsked Ground = iota
	// GroundNoSite: nobody serves the authority, so that nobody asks.
	GroundNoSite

	GroundSameScheme // the scheme is the connection's, or is not told

	GroundNoPolicy   // the site asks for no client certificate
	GroundSamePolicy // the handshake was made under the site's own policy

	GroundTrusted // the peer is a trusted gateway; 4, 4b and 5 are skipped

	GroundCovered // the leaf covers the host
	GroundRuleOff // the rule is off: coverage is not asked for

	GroundShared             // the class lets any namespace's certificate vouch
	GroundNamespace          // the leaf is out of the namespace that owns the host
	GroundDefaultCertificate // the leaf is a default certificate
	GroundOwnCertificate     // the leaf is one of the site's present certificates

	GroundNoMore          // the rule asks for no more than coverage
	GroundSameCertificate // the leaf is the site's own, or of the same Secret
	GroundSameName        // the host is the server name of the handshake

	GroundServed // a site serves the authority
	GroundRoute  // a route matches the path

	firstFailure

	GroundOtherScheme // the scheme is not the connection's

	GroundUnresolved  // how to verify clients of the site is not known
	GroundCleartext   // the site asks for client certificates; this is no TLS
	GroundOtherPolicy // the handshake was made under another policy
	GroundOldVersion  // the TLS version is below the class's lowest

	GroundNoLeaf     // the connection was served no certificate
	GroundNotCovered // the leaf does not cover the host

	GroundForeign // the leaf is another namespace's

	GroundOtherCertificate // the leaf is none of the site's own
	GroundOtherName        // the server name of the handshake is another host

	GroundUnserved // no site serves the authority
	GroundNoRoute  // no route matches the path

	groundCount
)

var groundNames = [groundCount]string{
	GroundNotAsked: "not-asked", GroundNoSite: "no-site",
	GroundSameScheme: "same-scheme", GroundOtherScheme: "other-scheme",
	GroundNoPolicy: "no-policy", GroundSamePolicy: "same-policy", GroundUnresolved: "unresolved",
	GroundCleartext: "cleartext", GroundOtherPolicy: "other-policy", GroundOldVersion: "old-version",
	GroundTrusted: "trusted",
	GroundCovered: "covered", GroundRuleOff: "rule-off", GroundNoLeaf: "no-leaf", GroundNotCovered: "not-covered",
	GroundShared: "shared", GroundNamespace: "namespace", GroundDefaultCertificate: "default-certificate",
	GroundOwnCertificate: "own-certificate", GroundForeign: "foreign",
	GroundNoMore: "no-more", GroundSameCertificate: "same-certificate", GroundSameName: "same-name",
	GroundOtherCertificate: "other-certificate", GroundOtherName: "other-name",
	GroundServed: "served", GroundUnserved: "unserved",
	GroundRoute: "route", GroundNoRoute: "no-route",
}

func (g Ground) String() string { return groundNames[g] }

// Fails tells whether a step fails for this.
func (g Ground) Fails() bool { return g > firstFailure }

// Trace is how [Judge] has come to a verdict.
type Trace struct {
	grounds  [stepCount]Ground
	reported Step
}

// JudgeTraced is Judge, and how it has come to its verdict.
func JudgeTraced(m *Map, f *Facts, r Request) (Verdict, Trace) {
	var v Verdict
	var t Trace
	m.judge(&v, f, &r, &t)
	return v, t
}

// Ground is why a step has ended as it has, GroundNotAsked for one that was not
// asked. A step that fails is the last, unless it was [Trace.Reported].
func (t *Trace) Ground(s Step) Ground { return t.grounds[s] }

// Reported tells whether the failure of a step was only reported: the site or
// its class has asked for that.
func (t *Trace) Reported(s Step) bool { return s != 0 && t.reported == s }

func (t *Trace) note(s Step, g Ground) {
	if t != nil {
		t.grounds[s] = g
	}
}

// report says that the step that has failed is only reported, and how 4b ends,
// which never is.
func (t *Trace) report(vouch Ground) {
	if t == nil {
		return
	}
	for _, s := range [...]Step{StepCertificate, StepRule} {
		if t.grounds[s].Fails() {
			t.reported = s
		}
	}
	t.grounds[StepVouch] = vouch
}
