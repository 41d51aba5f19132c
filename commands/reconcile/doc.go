// Package reconcile compares the ledger with Stripe, both ways, and says every difference. It only reads: nothing is changed at
// Stripe nor in the ledger, and what to do about a difference is for a person to decide.
//
// One run goes like this. The log is folded up to its head, into what it says of each card order's money. Stripe's refunds,
// disputes and PaymentIntents are listed, and each PaymentIntent is compared while it goes by. Whatever seems to differ, or was
// not in the lists, is looked at again at the end: the order is loaded anew, its PaymentIntents are read by their ids, and the
// order must be the same afterwards. So an order that changes while Stripe is read makes no difference.
//
// The comparison of one order (compare.go) is pure. What a run holds is a few hundred bytes for each card order.
package reconcile
