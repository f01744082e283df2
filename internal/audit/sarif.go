package audit

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
)

const sarifSchema = "https://json.schemastore.org/sarif-2.1.0.json"

// The parts of SARIF 2.1.0 (OASIS, 2020) that a report needs.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string    `json:"id"`
		ShortDescription sarifText `json:"shortDescription"`
		HelpURI          string    `json:"helpUri"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region struct {
			StartLine   int `json:"startLine"`
			StartColumn int `json:"startColumn"`
		} `json:"region"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
)

// home is where the docs are.
const home = "https://github.com/ingress421/ingress421"

// SARIF writes the findings for code hosts, which show them beside the line of
// the field that each is about, as far as that is known: see [Report.Locate].
// Version is the program's.
func (r *Report) SARIF(w io.Writer, version string) error {
	var run sarifRun
	run.Tool.Driver = sarifDriver{Name: "ingress421 audit", Version: version, InformationURI: home}
	reasons := Reasons()
	ids := slices.Sorted(maps.Keys(reasons))
	for _, id := range ids {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules,
			sarifRule{id, sarifText{reasons[id]}, home + "/blob/main/docs/audit.md#what-it-finds"})
	}
	run.Results = []sarifResult{}
	for _, f := range r.Findings {
		index, _ := slices.BinarySearch(ids, f.Reason)
		result := sarifResult{
			RuleID: f.Reason, RuleIndex: index, Level: sarifLevel(f.Severity),
			Message:   sarifText{f.Message + " " + f.Mend},
			Locations: locations(f),
		}
		// A code host takes two results with one fingerprint for the same, also
		// when lines move: what it is about, not how many it concerns.
		about := f.Reason
		if len(f.Objects.First) != 0 {
			about += " " + f.Objects.First[0].String()
		}
		if len(f.Hosts.First) != 0 {
			about += " " + f.Hosts.First[0]
		}
		result.Fingerprints = map[string]string{"finding/v1": about}
		run.Results = append(run.Results, result)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(sarifLog{sarifSchema, "2.1.0", []sarifRun{run}}); err != nil {
		return fmt.Errorf("write SARIF: %w", err)
	}
	return nil
}

// locations are those of a finding's objects, those with a file first: code
// hosts look at the first one.
func locations(f Finding) []sarifLocation {
	known, others := []sarifLocation{}, []sarifLocation(nil)
	for _, o := range f.Objects.First {
		l := sarifLocation{Logical: []sarifLogical{{o.String(), "resource"}}}
		i := slices.IndexFunc(f.Places, func(p Place) bool { return p.Object == o.String() })
		if i < 0 {
			others = append(others, l)
			continue
		}
		at := f.Places[i]
		l.Physical = new(sarifPhysical)
		l.Physical.Artifact.URI = (&url.URL{Path: at.File}).String()
		l.Physical.Region.StartLine, l.Physical.Region.StartColumn = at.Line, at.Column
		known = append(known, l)
	}
	return append(known, others...)
}

func sarifLevel(s Severity) string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	}
	return "note"
}
