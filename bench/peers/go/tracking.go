package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

const (
	layoutVersion  = 2
	tokenBytes     = 76
	signatureBytes = 16
)

var pricings = map[string]uint8{"": 0, "cpm": 1, "cpc": 2, "cpa": 3, "flat": 4, "impressions": 5}

// token is what a tracking URL says.
type token struct {
	request     [16]byte
	slot        uint8
	campaign    uint64
	creative    uint64
	placement   uint64
	issueMinute uint32
	device      [16]byte
	pricing     uint8
	priceMicros uint64
	expiresAt   uint32
}

// signer signs with one key.
type signer struct {
	id  uint8
	key []byte
}

func loadSigner(path string) (*signer, error) {
	var keys struct {
		Current struct {
			ID  uint8  `json:"id"`
			Key []byte `json:"key"`
		} `json:"current"`
	}
	if err := readJSON(path, &keys); err != nil {
		return nil, err
	}
	return &signer{id: keys.Current.ID, key: keys.Current.Key}, nil
}

// sign writes 76 bytes and the first 16 of their HMAC-SHA-256 in base64url.
func (s *signer) sign(t *token) string {
	said := make([]byte, 0, tokenBytes+sha256.Size)
	said = append(said, layoutVersion, s.id)
	said = append(said, t.request[:]...)
	said = append(said, t.slot)
	said = binary.BigEndian.AppendUint64(said, t.campaign)
	said = binary.BigEndian.AppendUint64(said, t.creative)
	said = binary.BigEndian.AppendUint64(said, t.placement)
	said = binary.BigEndian.AppendUint32(said, t.issueMinute)
	said = append(said, t.device[:]...)
	said = append(said, t.pricing)
	said = binary.BigEndian.AppendUint64(said, t.priceMicros)
	said = binary.BigEndian.AppendUint32(said, t.expiresAt)
	mac := hmac.New(sha256.New, s.key)
	mac.Write(said)
	signed := mac.Sum(said)[:tokenBytes+signatureBytes]
	return base64.RawURLEncoding.EncodeToString(signed)
}

// keyOf gives the 64 bits that stand for an id.
func keyOf(id string) uint64 {
	digest := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint64(digest[:8])
}

// deviceKeyOf gives the 128 bits that stand for a device.
func deviceKeyOf(id string) [16]byte {
	digest := sha256.Sum256([]byte(id))
	return [16]byte(digest[:16])
}
