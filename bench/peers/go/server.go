package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const (
	ttlSeconds     = 60
	tokenLifetime  = time.Hour
	mostPlacements = 20
	mostSlots      = 20
	mostBodyBytes  = 1 << 20
)

// server answers requests; nothing in it changes after it was loaded.
type server struct {
	campaigns []campaign
	signer    *signer
	profiles  map[string]*profile
	requests  []request
}

type request struct {
	Placements []placement `json:"placements"`
	Device     device      `json:"device"`
	User       user        `json:"user"`
	Interests  []string    `json:"interests"`
	Keywords   []string    `json:"keywords"`
	Exclude    exclude     `json:"exclude"`
	Consent    bool        `json:"consent"`
}

type placement struct {
	ID    string   `json:"id"`
	Count int      `json:"count"`
	Types []string `json:"types"`
}

type device struct {
	ID         string `json:"id"`
	Platform   string `json:"platform"`
	AppVersion string `json:"app_version"`
	Country    string `json:"country"`
	LMT        bool   `json:"lmt"`
}

type user struct {
	BirthYear int    `json:"birth_year"`
	Gender    string `json:"gender"`
}

type exclude struct {
	Campaigns   []string `json:"campaigns"`
	Advertisers []string `json:"advertisers"`
	Categories  []string `json:"categories"`
}

// profile is what is stored of a device.
type profile struct {
	Country   string   `json:"country"`
	BirthYear int      `json:"birth_year"`
	Gender    string   `json:"gender"`
	Interests []string `json:"interests"`
	Segments  []string `json:"segments"`
}

type answer struct {
	RequestID string `json:"request_id"`
	TTL       int    `json:"ttl_s"`
	Items     []item `json:"items"`
	Fallback  bool   `json:"fallback"`
}

type item struct {
	Placement     string          `json:"placement"`
	Slot          int             `json:"slot"`
	Type          string          `json:"type"`
	CampaignID    string          `json:"campaign_id"`
	CreativeID    string          `json:"creative_id"`
	Assets        json.RawMessage `json:"assets"`
	ImpressionURL string          `json:"impression_url"`
	ClickURL      string          `json:"click_url"`
	ExpiresAt     string          `json:"expires_at"`
}

func (r *request) check() error {
	if r.Device.Platform == "" {
		return errors.New("device.platform is required")
	}
	if len(r.Placements) < 1 || len(r.Placements) > mostPlacements {
		return fmt.Errorf("there must be 1 to %d placements", mostPlacements)
	}
	for _, placement := range r.Placements {
		if placement.ID == "" || placement.Count < 1 || placement.Count > mostSlots {
			return fmt.Errorf("a placement must have an id and 1 to %d slots", mostSlots)
		}
	}
	return nil
}

// allocate says which ad or content this device sees now.
func (s *server) allocate(w http.ResponseWriter, r *http.Request) {
	var asked request
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBodyBytes)).Decode(&asked)
	if err == nil {
		err = asked.check()
	}
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"code": "bad_request", "detail": err.Error()})
		return
	}
	now := time.Now().UTC()
	expiresAt := now.Add(tokenLifetime)
	var id [16]byte
	rand.Read(id[:])
	origin := "http://" + r.Host
	viewer := s.viewer(&asked, now)
	var deviceKey [16]byte
	if asked.Device.ID != "" {
		deviceKey = deviceKeyOf(asked.Device.ID)
	}

	answer := answer{RequestID: hex.EncodeToString(id[:]), TTL: ttlSeconds, Items: []item{}, Fallback: true}
	given := map[*campaign]bool{}
	for _, placement := range asked.Placements {
		placementKey := keyOf(placement.ID)
		for slot, campaign := range choose(s.campaigns, &placement, viewer, given) {
			creative := campaign.drawCreative(placement.Types)
			token := s.signer.sign(&token{
				request:     id,
				slot:        uint8(slot),
				campaign:    campaign.key,
				creative:    creative.key,
				placement:   placementKey,
				issueMinute: uint32(now.Unix() / 60),
				device:      deviceKey,
				pricing:     campaign.pricing,
				priceMicros: campaign.priceMicros,
				expiresAt:   uint32(expiresAt.Unix()),
			})
			answer.Items = append(answer.Items, item{
				Placement:     placement.ID,
				Slot:          slot,
				Type:          creative.Type,
				CampaignID:    campaign.id,
				CreativeID:    creative.ID,
				Assets:        creative.Assets,
				ImpressionURL: origin + "/v1/t/imp/" + token,
				ClickURL:      origin + "/v1/t/clk/" + token,
				ExpiresAt:     expiresAt.Format("2006-01-02T15:04:05.000Z"),
			})
			answer.Fallback = answer.Fallback && campaign.house
		}
	}
	reply(w, http.StatusOK, &answer)
}

// eligible lists the ids of all campaigns that the first placement of a request may be given at a time.
func (s *server) eligible(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.Atoi(r.FormValue("request"))
	if err != nil || number < 0 || number >= len(s.requests) {
		reply(w, http.StatusNotFound, "no such request")
		return
	}
	at, err := time.Parse(time.RFC3339, r.FormValue("at"))
	if err != nil {
		reply(w, http.StatusBadRequest, err.Error())
		return
	}
	asked := &s.requests[number]
	ids := []string{}
	for _, campaign := range eligible(s.campaigns, &asked.Placements[0], s.viewer(asked, at.UTC())) {
		ids = append(ids, campaign.id)
	}
	slices.Sort(ids)
	reply(w, http.StatusOK, ids)
}

func (s *server) viewer(asked *request, now time.Time) *viewer {
	return newViewer(asked, s.profiles[asked.Device.ID], now)
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that has gone is told nothing.
	_ = json.NewEncoder(w).Encode(body)
}
