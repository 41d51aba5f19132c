package dashboard

import (
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/carrier"
)

// parcel is a parcel as a page shows it.
type parcel struct {
	domain.Tracking
	Name string // of the carrier
	Link string // where it can be followed; empty when nobody here knows
}

func parcels(tracking []domain.Tracking) (list []parcel) {
	for _, t := range tracking {
		p := parcel{Tracking: t, Name: t.Carrier}
		if c, ok := carrier.Named(t.Carrier); ok {
			p.Link = c.Link(t.Number)
			if len(t.Carrier) <= len(c.Name) {
				p.Name = c.Name // "ups" is UPS; "FedEx Ground" says more
			}
		}
		list = append(list, p)
	}
	return list
}

// doubt is what looks wrong about a parcel that a clerk wrote down. It is no rule of the ledger: the clerk may overrule it.
type doubt struct {
	domain.Tracking
	At   string // the carrier
	Why  string
	Must bool // there is nothing to overrule: the ledger needs to know more
}

// doubts fills in carriers that the numbers tell, and says what looks wrong. What the ledger has taken before is not doubted again.
func doubts(o domain.Order, tracking []domain.Tracking) (list []doubt) {
	for i := range tracking {
		t := &tracking[i]
		if t.Carrier == "" {
			if c, ok := carrier.Of(t.Number); ok {
				t.Carrier = c.Key
			}
		}
		known, ok := carrier.Named(t.Carrier)
		switch {
		case t.Number == "":
			list = append(list, doubt{*t, t.Carrier, "The parcel has no number. Write it down, or leave the whole row empty.", true})
		case t.Carrier == "":
			list = append(list, doubt{*t, "", "Whose number this is can't be told. Name the carrier, and look whether the number is right.", true})
		case !ok || slices.Contains(o.Tracking, *t):
		default:
			switch known.Doubts(t.Number) {
			case carrier.WrongDigit:
				list = append(list, doubt{*t, known.Name, "The check digit is wrong, so it is most likely mistyped. Compare it with the label.", false})
			case carrier.WrongForm:
				why := known.Name + " has no numbers of this form that we know of. Compare it with the label."
				if other, ok := carrier.Of(t.Number); ok && other != known {
					why = "This looks like a number of " + other.Name + ", not of " + known.Name + ". Compare it with the label."
				}
				list = append(list, doubt{*t, known.Name, why, false})
			}
		}
	}
	return list
}

// askAboutParcels shows the form once more, with what looks wrong.
func (b *dashboard) askAboutParcels(w http.ResponseWriter, r *http.Request, o domain.Order, a Act, found []doubt) error {
	filled := fields(o, a.Verb)
	may := true
	for _, d := range found {
		may = may && !d.Must
	}
	for i := range filled {
		switch filled[i].Kind {
		case "tracking":
			filled[i].Rows = rows(a.Form.Tracking)
		case "check":
			filled[i].Checked = a.Form.Resend
		}
	}
	if may {
		label := "Use it anyway: it is what the label says"
		if len(found) > 1 {
			label = "Use them anyway: they are what the labels say"
		}
		filled = append(filled, field{Name: "anyway", Kind: "check", Label: label})
	}
	page := confirmPage{
		layout: b.layout(r, "Look at the tracking numbers"), Order: domain.Render(o, b.Now()), NewKey: uuid.NewString, Amount: moved(o, a.Verb),
		Offer:       offer{Verb: a.Verb, Label: label(o, a.Verb), Fields: filled},
		Consequence: consequence(b.voice(r, o), o, a.Verb), Doubts: found, Version: a.Version, Key: a.Key, Moves: moves(o, a.Verb),
	}
	return b.show(w, r, http.StatusUnprocessableEntity, "confirm", page)
}
