package stripepay

import (
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"
)

// Tolerance is how far the time of a signature may be from now, before or after: an old body must not be sent again by
// somebody who caught it.
const Tolerance = 5 * time.Minute

const maxSignatures = 16 // Stripe sends one for each secret in force: two

var (
	errSignature = errors.New("no signature by a known secret")
	errTimestamp = errors.New("the signature is of another time")
)

// verify checks the Stripe-Signature header of a body: one of its v1 signatures must be by one of the secrets. Errors:
// errSignature; errTimestamp, when the signature is good and its time is not.
func verify(body []byte, header string, secrets []string, now time.Time) error {
	signed, signatures, ok := parseSignature(header)
	if !ok {
		return errSignature
	}
	good := false
	for _, secret := range secrets {
		want := webhook.ComputeSignature(signed, body, secret)
		for _, s := range signatures {
			good = hmac.Equal(want, s) || good
		}
	}
	switch {
	case !good:
		return errSignature
	case now.Sub(signed).Abs() > Tolerance:
		return errTimestamp
	}
	return nil
}

// parseSignature reads "t=1700000000,v1=hex,v1=hex,v0=…". What it doesn't know it passes over.
func parseSignature(header string) (signed time.Time, signatures [][]byte, ok bool) {
	times := 0
	for part := range strings.SplitSeq(header, ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(part), "="); name {
		case "t":
			seconds, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return time.Time{}, nil, false
			}
			signed = time.Unix(seconds, 0)
			times++
		case "v1":
			if s, err := hex.DecodeString(value); err == nil && len(signatures) < maxSignatures {
				signatures = append(signatures, s)
			}
		}
	}
	return signed, signatures, times == 1 && len(signatures) > 0
}
