package hostmap

// Reason says why a request is not served as it came: one word, told to the
// client, to the log and to the metrics. "" is no reason.
type Reason string

// The reasons of [Judge], in the order of its steps.
const (
	ReasonScheme           Reason = "scheme"
	ReasonTLSPolicy        Reason = "tls_policy"
	ReasonCertificate      Reason = "certificate"
	ReasonOtherCertificate Reason = "other_certificate"
	ReasonServerName       Reason = "server_name"
	ReasonUnserved         Reason = "unserved"
	ReasonNoRoute          Reason = "no_route"
)

// Request is what Judge is told of a request.
type Request struct {
	// Scheme is ":scheme", or that of an HTTP/1.1 request in absolute form;
	// "" where the request names none.
	Scheme string
	// Host is the canonical host of the authority (see [Authority]).
	Host string
	// Path is the canonical path (see [Path]).
	Path string
}

// Action is what becomes of a request.
type Action uint8

const (
	// ActionServe forwards it by the verdict's route.
	ActionServe Action = iota
	// ActionRedirect sends the client elsewhere.
	ActionRedirect
	// ActionRefuse answers with an error.
	ActionRefuse
	// ActionAnswer answers as the terms say.
	ActionAnswer
)

var actionNames = [...]string{"serve", "redirect", "refuse", "answer"}

func (a Action) String() string { return actionNames[a] }

// Verdict is the outcome for one request: of the rule alone as [Judge] returns
// it, of the terms too once [Apply] has seen it.
type Verdict struct {
	// Action says whether the request is served. Judge never redirects.
	Action Action
	// Rule is the rule that was in force.
	Rule Rule
	// Retry tells whether a request on a fresh connection whose server name is
	// the authority would get past step 5. It means something beside a 421 or
	// a Reported reason.
	Retry bool
	// Close asks for the connection to be closed after the answer.
	Close bool
	// Slot is the Site's in the map, 0 where there is none.
	Slot Slot
	// Status is what to answer, 0 where the request is served.
	Status int
	// Reason is why it is refused, "" where it is not.
	Reason Reason
	// Reported is the reason of step 4 or 5 that would have been Reason, had
	// the site or its class not asked for a report only. Step 4b is enforced
	// all the same.
	Reported Reason
	// Site is the authority's, nil where none serves it.
	Site *Site
	// Route is what the path has matched; nil where the request was refused
	// before that, where nothing matches, and where the site answers: by an https
	// redirect or by its terms.
	Route *Route
	// Path is what the backend is asked for where Apply has rewritten the
	// request's path, else "".
	Path string
	// Known tells that who the client is need not be asked, because its address
	// is enough.
	Known bool
	// Answer is the first of these where one of the terms' answers is given,
	// else there is none.
	Answer Answers
}

// Misdirected tells whether the verdict is a 421.
func (v *Verdict) Misdirected() bool { return v.Status == statusMisdirected }

const (
	statusPermanentRedirect = 308
	statusBadRequest        = 400
	statusForbidden         = 403
	statusNotFound          = 404
	statusContentTooLarge   = 413
	statusMisdirected       = 421
)

func (v *Verdict) refuse(status int, reason Reason) {
	v.Action, v.Status, v.Reason = ActionRefuse, status, reason
}
