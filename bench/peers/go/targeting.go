package main

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

// facts are what targeting looks at. An empty text and a nil list are not known, and a rule on what
// is not known is false, whatever it says.
type facts struct {
	platform  string
	country   string
	gender    string
	age       int
	ageKnown  bool
	interests []string
	segments  []string
	keywords  []string
}

// factsOf takes the request's own fields first and unites its lists with the profile's.
func factsOf(asked *request, stored *profile, now time.Time) facts {
	if stored == nil {
		stored = &profile{}
	}
	facts := facts{
		platform:  asked.Device.Platform,
		country:   first(asked.Device.Country, stored.Country),
		gender:    first(asked.User.Gender, stored.Gender),
		interests: united(asked.Interests, stored.Interests),
		segments:  stored.Segments,
		keywords:  asked.Keywords,
	}
	if year := first(asked.User.BirthYear, stored.BirthYear); year != 0 && year <= now.Year() {
		// The age that is certain: before this year's birthday.
		facts.age, facts.ageKnown = max(now.Year()-year-1, 0), true
	}
	return facts
}

// rule is one of a campaign's.
type rule struct {
	field    field
	operator operator
	values   []string
	low      float64
	below    float64
	any      []rule
}

type field uint8

const (
	noField field = iota
	platformField
	countryField
	genderField
	ageField
	interestsField
	segmentsField
	keywordsField
)

var fields = map[string]field{
	"platform":  platformField,
	"country":   countryField,
	"gender":    genderField,
	"age":       ageField,
	"interests": interestsField,
	"segments":  segmentsField,
	"keywords":  keywordsField,
}

type operator uint8

const (
	in operator = iota
	notIn
	within
	anyOf
	allOf
	noneOf
)

// writtenRule is a rule as its author wrote it.
type writtenRule struct {
	Field   string          `json:"field"`
	In      []string        `json:"in"`
	NotIn   []string        `json:"not_in"`
	AnyOf   []string        `json:"any_of"`
	AllOf   []string        `json:"all_of"`
	NoneOf  []string        `json:"none_of"`
	GTE     *float64        `json:"gte"`
	LT      *float64        `json:"lt"`
	Percent json.RawMessage `json:"percent"`
	Any     []writtenRule   `json:"any"`
}

func compile(written []writtenRule) ([]rule, error) {
	rules := make([]rule, 0, len(written))
	for i := range written {
		rule, err := written[i].compile()
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func (w *writtenRule) compile() (rule, error) {
	if w.Any != nil {
		any, err := compile(w.Any)
		return rule{any: any}, err
	}
	field := fields[w.Field]
	isList := field >= interestsField
	switch {
	case field == noField || w.Percent != nil:
	case !isList && field != ageField && w.In != nil:
		return rule{field: field, operator: in, values: w.In}, nil
	case !isList && field != ageField && w.NotIn != nil:
		return rule{field: field, operator: notIn, values: w.NotIn}, nil
	case field == ageField && (w.GTE != nil || w.LT != nil):
		low, below := math.Inf(-1), math.Inf(1)
		if w.GTE != nil {
			low = *w.GTE
		}
		if w.LT != nil {
			below = *w.LT
		}
		return rule{field: field, operator: within, low: low, below: below}, nil
	case isList && w.AnyOf != nil:
		return rule{field: field, operator: anyOf, values: w.AnyOf}, nil
	case isList && w.AllOf != nil:
		return rule{field: field, operator: allOf, values: w.AllOf}, nil
	case isList && w.NoneOf != nil:
		return rule{field: field, operator: noneOf, values: w.NoneOf}, nil
	}
	return rule{}, fmt.Errorf("a rule that is not known here: %+v", *w)
}

func (r *rule) holds(facts *facts) bool {
	switch r.field {
	case platformField:
		return r.holdsText(facts.platform)
	case countryField:
		return r.holdsText(facts.country)
	case genderField:
		return r.holdsText(facts.gender)
	case ageField:
		age := float64(facts.age)
		return facts.ageKnown && r.low <= age && age < r.below
	case interestsField:
		return r.holdsList(facts.interests)
	case segmentsField:
		return r.holdsList(facts.segments)
	case keywordsField:
		return r.holdsList(facts.keywords)
	default:
		return slices.ContainsFunc(r.any, func(one rule) bool { return one.holds(facts) })
	}
}

func (r *rule) holdsText(known string) bool {
	return known != "" && slices.Contains(r.values, known) == (r.operator == in)
}

func (r *rule) holdsList(known []string) bool {
	switch {
	case known == nil:
		return false
	case r.operator == allOf:
		return !slices.ContainsFunc(r.values, func(one string) bool { return !slices.Contains(known, one) })
	default:
		return meet(r.values, known) == (r.operator == anyOf)
	}
}

// meet says whether two lists have something in common.
func meet(a, b []string) bool {
	for _, one := range a {
		if slices.Contains(b, one) {
			return true
		}
	}
	return false
}

// united has both lists' members; it is nil if both are.
func united(a, b []string) []string {
	if a == nil {
		return b
	}
	return append(slices.Clip(a), b...)
}

// first gives the first of two values that is not empty.
func first[T comparable](a, b T) T {
	var empty T
	if a == empty {
		return b
	}
	return a
}
