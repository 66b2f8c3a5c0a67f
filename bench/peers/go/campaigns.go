package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

// campaign is one in memory, ready to be held against a request.
type campaign struct {
	id           string
	key          uint64
	advertiser   string
	categories   []string
	startsAt     int64
	endsAt       int64
	house        bool
	tier         int
	weight       float64
	placements   []string
	rules        []rule
	needsConsent bool
	needsDevice  bool
	pricing      uint8
	priceMicros  uint64
	creatives    []creative
}

type creative struct {
	ID     string          `json:"id"`
	Type   string          `json:"type"`
	Weight int             `json:"weight"`
	Locale string          `json:"locale"`
	Assets json.RawMessage `json:"assets"`
	key    uint64
}

// written is a campaign as its author wrote it.
type written struct {
	ID         string     `json:"id"`
	Advertiser string     `json:"advertiser"`
	Categories []string   `json:"categories"`
	StartsAt   time.Time  `json:"starts_at"`
	EndsAt     *time.Time `json:"ends_at"`
	House      bool       `json:"house"`
	Tier       int        `json:"tier"`
	Weight     int        `json:"weight"`
	Placements []string   `json:"placements"`
	Targeting  struct {
		All []writtenRule `json:"all"`
	} `json:"targeting"`
	Consent  string `json:"consent"`
	NoDevice string `json:"no_device"`
	Budget   struct {
		Pricing     string `json:"pricing"`
		PriceMicros uint64 `json:"price_micros"`
	} `json:"budget"`
	Creatives []creative `json:"creatives"`
}

// viewer is who looks, and what they do not want to see.
type viewer struct {
	facts     facts
	now       int64
	known     bool
	consented bool
	exclude   *exclude
}

func newViewer(asked *request, stored *profile, now time.Time) *viewer {
	return &viewer{
		facts:     factsOf(asked, stored, now),
		now:       now.UnixMilli(),
		known:     asked.Device.ID != "",
		consented: asked.Consent && !asked.Device.LMT,
		exclude:   &asked.Exclude,
	}
}

func loadCampaigns(path string) ([]campaign, error) {
	var all []written
	if err := readJSON(path, &all); err != nil {
		return nil, err
	}
	campaigns := make([]campaign, 0, len(all))
	for i := range all {
		campaign, err := all[i].campaign()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", all[i].ID, err)
		}
		campaigns = append(campaigns, campaign)
	}
	return campaigns, nil
}

func (w *written) campaign() (campaign, error) {
	rules, err := compile(w.Targeting.All)
	if err != nil {
		return campaign{}, err
	}
	pricing, ok := pricings[w.Budget.Pricing]
	if !ok {
		return campaign{}, fmt.Errorf("a pricing that is not known here: %s", w.Budget.Pricing)
	}
	endsAt := int64(1<<63 - 1)
	if w.EndsAt != nil {
		endsAt = w.EndsAt.UnixMilli()
	}
	for i := range w.Creatives {
		if w.Creatives[i].Locale != "" {
			return campaign{}, fmt.Errorf("creatives for one language are not known here")
		}
		w.Creatives[i].key = keyOf(w.Creatives[i].ID)
	}
	return campaign{
		id:           w.ID,
		key:          keyOf(w.ID),
		advertiser:   w.Advertiser,
		categories:   w.Categories,
		startsAt:     w.StartsAt.UnixMilli(),
		endsAt:       endsAt,
		house:        w.House,
		tier:         w.Tier,
		weight:       float64(w.Weight),
		placements:   w.Placements,
		rules:        rules,
		needsConsent: w.Consent == "required",
		needsDevice:  w.NoDevice == "skip" && !w.House,
		pricing:      pricing,
		priceMicros:  w.Budget.PriceMicros,
		creatives:    w.Creatives,
	}, nil
}

// eligible looks at each campaign and gives those that may be shown there.
func eligible(campaigns []campaign, wanted *placement, viewer *viewer) []*campaign {
	var found []*campaign
	for i := range campaigns {
		if campaign := &campaigns[i]; campaign.isFor(wanted, viewer) {
			found = append(found, campaign)
		}
	}
	return found
}

func (c *campaign) isFor(wanted *placement, viewer *viewer) bool {
	if viewer.now < c.startsAt || viewer.now >= c.endsAt ||
		!slices.Contains(c.placements, wanted.ID) ||
		!c.canShow(wanted.Types) ||
		c.needsConsent && !viewer.consented ||
		c.needsDevice && !viewer.known ||
		viewer.exclude.excludes(c) {
		return false
	}
	for i := range c.rules {
		if !c.rules[i].holds(&viewer.facts) {
			return false
		}
	}
	return true
}

func (c *campaign) canShow(types []string) bool {
	return types == nil || slices.ContainsFunc(c.creatives, func(one creative) bool {
		return slices.Contains(types, one.Type)
	})
}

func (e *exclude) excludes(c *campaign) bool {
	return slices.Contains(e.Campaigns, c.id) ||
		slices.Contains(e.Advertisers, c.advertiser) ||
		meet(e.Categories, c.categories)
}

// choose gives as many campaigns as there are slots: the best tiers first, by weight within a tier.
func choose(campaigns []campaign, wanted *placement, viewer *viewer, given map[*campaign]bool) []*campaign {
	type drawn struct {
		*campaign
		key float64
	}
	var candidates []drawn
	for _, campaign := range eligible(campaigns, wanted, viewer) {
		if !given[campaign] {
			// Efraimidis and Spirakis: the smallest -ln(u)/w win.
			candidates = append(candidates, drawn{campaign, rand.ExpFloat64() / campaign.weight})
		}
	}
	better := func(a, b drawn) int {
		return cmp.Or(compareBool(a.house, b.house), cmp.Compare(a.tier, b.tier), cmp.Compare(a.key, b.key))
	}
	count := min(wanted.Count, len(candidates))
	if count == 1 {
		candidates[0] = slices.MinFunc(candidates, better)
	} else {
		slices.SortFunc(candidates, better)
	}
	chosen := make([]*campaign, count)
	for i := range chosen {
		chosen[i] = candidates[i].campaign
		given[chosen[i]] = true
	}
	return chosen
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// drawCreative draws one of the creatives that fit, by weight; there is one.
func (c *campaign) drawCreative(types []string) *creative {
	var fitting []*creative
	total := 0
	for i := range c.creatives {
		if one := &c.creatives[i]; types == nil || slices.Contains(types, one.Type) {
			fitting = append(fitting, one)
			total += one.Weight
		}
	}
	ticket := rand.IntN(total)
	for _, one := range fitting {
		if ticket < one.Weight {
			return one
		}
		ticket -= one.Weight
	}
	return fitting[0]
}

func readJSON(path string, into any) error {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(bytes, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
