// Package domain is the ledger's rules, and nothing else: no I/O, no clock, no random; only the standard library and uuid.
//
// An order is a stream of events. Decide says which event a command makes of an order, or why not; Evolve says what order an
// event makes of an order. Folding Evolve over a stream gives the order; nothing else is ever stored as truth.
//
//	                     Accept               Capture                Ship
//	Placed ─▶ NEW ────────────────▶ NEW ───────────────▶ PAID ─────────────────▶ SHIPPED
//	          un-reviewed         accepted                │   (Ship on a held card     │
//	           │                   │                      │    captures first)         │
//	           │ Cancel            │ Cancel               │ Cancel       Refund        │ Refund
//	           ▼                   ▼                      ▼    │                       ▼
//	       CANCELLED ◀─────────────┴──────────────────────┘    └──────────────────▶ REFUNDED
//	           │                                                                       │
//	           └───────────▶ Archive ▶ ARCHIVED ▶ Unarchive ▶ where it was ◀───────────┘   (shipped orders too)
//
// Money acts on a card order take two events, since Stripe answers later: a request (CaptureRequested, ShipRequested,
// RefundRequested, CancelRequested) and its answer (PaymentCaptured, Shipped, Refunded, Cancelled, or a failure). Between
// the two the order is pending: it keeps its tab, and no other money act is taken. On account the act and its fact are one
// event, and the order may owe an entry in the dealer's business system.
//
// An act that can't go on by itself is parked, and a person decides (Resume): retry it as a new request; adopt what Stripe
// shows, asking for nothing; settle it, when the money moved outside Stripe, by a reference; or abandon it. Money that was
// taken outside Stripe is given back there, too: Stripe is never asked for what it has not taken. What happens at Stripe
// unasked is taken over where the rules can hold it (PaymentCaptured and Refunded of source "stripe"), and otherwise noted
// (ExternalChangeSeen). A dispute freezes what Stripe would give back.
//
// Words: a rejection is a no of the rules, with a code and a sentence for a clerk. An act that is already done makes no event
// and is no rejection. A hold is authorized money, taken by a capture, let go by a release; a refund gives taken money back.
// Amounts are integer minor units of an ISO 4217 currency.
package domain
