package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// Reasons of the problems that reading a folder finds.
const (
	// ReasonFolderUnreadable: the folder cannot be listed; the last listing
	// stays.
	ReasonFolderUnreadable = "FolderUnreadable"
	// ReasonFolderPassedOver: a folder within the one that is read holds
	// manifests.
	ReasonFolderPassedOver = "FolderPassedOver"
	// ReasonFileUnreadable: the file cannot be read.
	ReasonFileUnreadable = "FileUnreadable"
	// ReasonFileEmpty: the file has no octet, as while it is being written.
	ReasonFileEmpty = "FileEmpty"
	// ReasonFileInvalid: a document of the file cannot be parsed.
	ReasonFileInvalid = "FileInvalid"
	// ReasonFieldUnknown: an object has a field that its kind has not, or one
	// twice. An Ingress, Secret, Gateway or AuthorityPolicy is not taken then, objects of
	// other kinds are taken without.
	ReasonFieldUnknown = "FieldUnknown"
	// ReasonFieldMissing: a field that has no default is missing.
	ReasonFieldMissing = "FieldMissing"
	// ReasonObjectInvalid: an object that no API server takes; it is left out.
	ReasonObjectInvalid = "ObjectInvalid"
	// ReasonVersionUnsupported: an API version of one of the seven kinds that is
	// not spoken; the object is left out.
	ReasonVersionUnsupported = "VersionUnsupported"
	// ReasonObjectDuplicate: two documents hold one object; the first holds.
	ReasonObjectDuplicate = "ObjectDuplicate"
)

// KindFile is the kind of problems with a file or with the folder.
const KindFile = "File"

// object is one object of one of the seven kinds.
type object struct {
	hostmap.Object
	file  string
	line  int // of its document
	value metav1.Object
	// written is its document, where the folder is read once and lines of fields
	// may be asked for; else nil.
	written *written
}

// content is what a file holds.
type content struct {
	objects  []object
	problems []hostmap.Problem
	// broken tells that a document could not be parsed or has misspelt fields,
	// so that nobody knows what else the file should have held.
	broken bool
}

// decoder decodes one file.
type decoder struct {
	file string
	keep bool // what is written of each object
	doc  *written
	content
}

// decode returns what a file holds.
func decode(file string, text []byte) content { return (&decoder{file: file}).decode(text) }

func (d *decoder) decode(text []byte) content {
	for _, doc := range split(text) {
		if d.keep {
			d.doc = newWritten(doc)
		}
		parts, ok := splitJSON(doc)
		if !ok {
			value, err := toJSON(doc)
			if err != nil {
				d.fail(doc.line, "", err)
				continue
			}
			parts = []document{{doc.line, value}}
		}
		for _, part := range parts {
			d.value(part.line, metav1.TypeMeta{}, part.text)
		}
	}
	return d.content
}

// toJSON turns one YAML document into JSON. Duplicate keys are an error, as
// nobody can say which was meant. Line numbers in the error are the file's.
func toJSON(doc document) ([]byte, error) {
	value, err := yaml.YAMLToJSONStrict(doc.text)
	if err == nil {
		return value, nil
	}
	// The parser counts lines from the text it is given.
	padded := append(bytes.Repeat([]byte("\n"), doc.line-1), doc.text...)
	if _, again := yaml.YAMLToJSONStrict(padded); again != nil {
		err = again
	}
	return nil, err
}

// value takes one JSON value: an object, a list of objects, or null. Items of
// a typed list may leave out their own type, which is then the list's.
func (d *decoder) value(line int, implied metav1.TypeMeta, text []byte) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) == 0 || bytes.Equal(trimmed, []byte("null")) {
		return
	}
	head := struct {
		metav1.TypeMeta
		Items []json.RawMessage `json:"items"`
	}{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(text, &head.TypeMeta); err != nil {
		d.fail(line, "", err)
		return
	}
	if head.TypeMeta == (metav1.TypeMeta{}) {
		head.TypeMeta = implied
	}
	if head.Kind == "" || head.APIVersion == "" {
		d.fail(line, "", errors.New("a document needs apiVersion and kind"))
		return
	}
	if item, list := strings.CutSuffix(head.Kind, "List"); list {
		if err := kjson.UnmarshalCaseSensitivePreserveInts(text, &head); err != nil {
			d.fail(line, head.Kind, err)
			return
		}
		for _, raw := range head.Items {
			d.value(line, metav1.TypeMeta{APIVersion: head.APIVersion, Kind: item}, raw)
		}
		return
	}
	d.object(line, head.TypeMeta, text)
}

// object takes one JSON object that is no list.
func (d *decoder) object(line int, typ metav1.TypeMeta, text []byte) {
	value := newObject(typ)
	if value == nil {
		if old := supported(typ); old != "" {
			d.refuse(line, typ.Kind, ReasonVersionUnsupported, fmt.Sprintf("%s is not spoken, write %s; the object is left out", typ.APIVersion, old))
		}
		return
	}
	unknown, err := kjson.UnmarshalStrict(text, value)
	k := hostmap.Object{Kind: typ.Kind, Namespace: value.GetNamespace(), Name: value.GetName()}
	if err != nil {
		d.fail(line, k.String(), err)
		return
	}
	whole := true
	for _, err := range unknown {
		consequence := "; it is left out"
		if guards(typ.Kind) && !ofCluster(err) {
			consequence = "; the document is not taken"
			whole = false
		}
		d.refuse(line, k.String(), ReasonFieldUnknown, err.Error()+consequence)
	}
	if !whole {
		d.broken = true
		return
	}
	missing := setDefaults(value)
	if err := validate(value); err != nil {
		d.refuse(line, k.String(), ReasonObjectInvalid, err.Error()+"; the object is left out")
		return
	}
	k.Namespace = value.GetNamespace()
	for _, field := range missing {
		d.problems = append(d.problems, hostmap.Problem{
			Object: k, Reason: ReasonFieldMissing,
			Message: fmt.Sprintf("%s:%d: %s is missing, and no API server takes that; Prefix is assumed", d.file, line, field),
		})
	}
	d.objects = append(d.objects, object{Object: k, file: d.file, line: line, value: value, written: d.doc})
}

// guards tells whether objects of a kind say who is let in, and how. One that
// is taken without a misspelt field (anotations) could open what was closed.
func guards(kind string) bool {
	return kind == "Ingress" || kind == "Secret" || kind == "Gateway" || kind == v1alpha1.AuthorityPolicyKind
}

// ofCluster tells whether an unknown field is one that only a cluster writes:
// `kubectl get -o yaml` on a newer one has more of them, and they mean nothing
// here.
func ofCluster(err error) bool {
	field, ok := errors.AsType[kjson.FieldError](err)
	return ok && (strings.HasPrefix(field.FieldPath(), "status.") || strings.HasPrefix(field.FieldPath(), "metadata.managedFields"))
}

// fail notes that a document cannot be parsed.
func (d *decoder) fail(line int, what string, err error) {
	d.broken = true
	message := strings.TrimPrefix(err.Error(), "error converting YAML to JSON: ")
	message = strings.Join(strings.Fields(message), " ")
	d.refuse(line, what, ReasonFileInvalid, message)
}

func (d *decoder) refuse(line int, what, reason, message string) {
	if what = strings.TrimSpace(what); what != "" {
		message = what + ": " + message
	}
	d.problems = append(d.problems, hostmap.Problem{
		Object: hostmap.Object{Kind: KindFile, Name: d.file}, Reason: reason,
		Message: fmt.Sprintf("%s:%d: %s", d.file, line, message),
	})
}

// newObject returns an empty object of one of the seven kinds, or nil.
func newObject(typ metav1.TypeMeta) metav1.Object {
	switch typ {
	case metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"}:
		return &networkingv1.Ingress{}
	case metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "IngressClass"}:
		return &networkingv1.IngressClass{}
	case metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}:
		return &corev1.Secret{}
	case metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}:
		return &corev1.Service{}
	case metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"}:
		return &discoveryv1.EndpointSlice{}
	case metav1.TypeMeta{APIVersion: "gateway.networking.k8s.io/v1", Kind: "Gateway"}:
		return &gatewayv1.Gateway{}
	case metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: v1alpha1.AuthorityPolicyKind}:
		return &v1alpha1.AuthorityPolicy{}
	}
	return nil
}

// supported returns the API version to write for a kind of a group that is
// spoken in another version, or "".
func supported(typ metav1.TypeMeta) string {
	group, _, grouped := strings.Cut(typ.APIVersion, "/")
	if !grouped {
		group = ""
	}
	switch {
	case group == "extensions" && typ.Kind == "Ingress", group == "networking.k8s.io" && (typ.Kind == "Ingress" || typ.Kind == "IngressClass"):
		return "networking.k8s.io/v1"
	case group == "discovery.k8s.io" && typ.Kind == "EndpointSlice":
		return "discovery.k8s.io/v1"
	case group == "gateway.networking.k8s.io" && typ.Kind == "Gateway":
		return "gateway.networking.k8s.io/v1"
	case group == v1alpha1.GroupName && typ.Kind == v1alpha1.AuthorityPolicyKind:
		return v1alpha1.GroupVersion().String()
	}
	return ""
}

// validate refuses what would make an object impossible to name.
func validate(value metav1.Object) error {
	if value.GetName() == "" {
		return errors.New("metadata.name is missing")
	}
	if wrong := validation.IsDNS1123Subdomain(value.GetName()); len(wrong) != 0 {
		return fmt.Errorf("metadata.name %q: %s", value.GetName(), wrong[0])
	}
	if ns := value.GetNamespace(); ns != "" {
		if wrong := validation.IsDNS1123Label(ns); len(wrong) != 0 {
			return fmt.Errorf("metadata.namespace %q: %s", ns, wrong[0])
		}
	}
	return nil
}
