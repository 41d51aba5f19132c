package dashboard

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// MaxJobOrders bounds the orders that the pages put into one job.
const MaxJobOrders = 10_000

// Jobs carries one act out on many orders. The actor is in the context. Errors: *domain.Rejection, queryapi.ErrForbidden,
// eventstore.ErrUnavailable.
type Jobs interface {
	// Made is the id of the job that a request made before: the same key, and the same Asked. The plan needs no Items.
	Made(ctx context.Context, key string, p JobPlan) (id string, found bool, err error)
	// Make makes a job and returns its id; key names the request: asked again it makes no other.
	Make(ctx context.Context, key string, p JobPlan) (id string, at eventstore.Position, err error)
	Read(ctx context.Context, id string) (Job, error)
	Cancel(ctx context.Context, key, id string) (eventstore.Position, error)
}

// JobPlan is one act on many orders.
type JobPlan struct {
	Verb    domain.Verb
	Items   []eventstore.JobItem
	RetryOf string // the job whose failures these are
	Asked   string // by what the request is recognised when it is asked again
}

// Job is a job as it is now. Results are those of the Items, by number; one without an Outcome has not been dealt with.
type Job struct {
	ID      string
	Maker   domain.Actor
	State   string // open, finished, cancelled or stopped
	Why     string // for the latter two
	Made    time.Time
	Changed time.Time
	JobPlan
	Results []eventstore.JobResult
	Done    int
	Waits   int                  // of these, how many wait for Stripe's answer
	Undone  []eventstore.JobItem // what a new job could try again
}

// exportVerb is no act on orders, but stands among them where orders were chosen.
const exportVerb = "export"

// bulkVerb is what can be done with many orders at once.
type bulkVerb struct {
	Verb       domain.Verb
	Text, Icon string
}

func (b *dashboard) bulkVerbs(role domain.Role) []bulkVerb {
	if b.Jobs == nil {
		return nil
	}
	all := []bulkVerb{{domain.VerbAccept, "Accept…", "check"}, {domain.VerbShip, "Ship…", "truck"}, {domain.VerbArchive, "Archive…", "archive"}}
	return slices.DeleteFunc(all, func(v bulkVerb) bool { return !role.May(domain.Permission(v.Verb)) })
}

// jobCount is how many orders of a job have an outcome.
type jobCount struct {
	Outcome, Text, Icon, Class string
	N                          int
	URL                        string
	Current                    bool
}

// jobLine is one order of a job.
type jobLine struct {
	eventstore.JobItem
	Outcome, Icon, Class, Message string
	Now                           *row // the order as it is; nil when it can't be read
}

type jobPage struct {
	layout
	Job      Job
	What     string // such as Accept 12 orders
	Outcomes []jobCount
	Lines    []jobLine
	Show     string
	Open     bool
	May      bool // who looks may cancel it and try again
	Next     string
	First    string
	NewKey   func() string
	Percent  int
}

const jobLines = 100 // on one page

type outcomeView struct{ text, icon, class string }

var outcomeViews = map[eventstore.JobOutcome]outcomeView{
	eventstore.JobRefused: {"Refused", "failed", "bad"}, eventstore.JobFailed: {"Failed", "alert", "bad"},
	eventstore.JobAsked: {"Asked of Stripe", "clock", "info"}, eventstore.JobDone: {"Done", "done", "good"},
	eventstore.JobAlready: {"Was so already", "check", ""}, "": {"Waiting", "clock", ""},
}

// outcomes are in the order in which a job's page shows them: what needs somebody first.
var outcomes = []eventstore.JobOutcome{
	eventstore.JobRefused, eventstore.JobFailed, eventstore.JobAsked, eventstore.JobDone, eventstore.JobAlready, "",
}

// waiting stands in addresses for orders without an outcome.
const waiting = "waiting"

var doing = map[domain.Verb]string{domain.VerbAccept: "Accept", domain.VerbShip: "Ship", domain.VerbArchive: "Archive"}

func what(verb domain.Verb, orders int) string {
	if orders == 1 {
		return doing[verb] + " 1 order"
	}
	return doing[verb] + " " + strconv.Itoa(orders) + " orders"
}

// readJob returns a job that who asks may see: its maker, and those who may see what others do. For others there is none.
func (b *dashboard) readJob(r *http.Request) (Job, error) {
	actor := domain.ActorFrom(r.Context())
	j, err := b.Jobs.Read(r.Context(), r.PathValue("id"))
	if err == nil && j.Maker.ID != actor.ID && !actor.Role.May(domain.PermJobs) {
		err = &domain.Rejection{Kind: domain.Missing, Message: "There is no such job."}
	}
	return j, err
}

// mayJob says whether somebody may cancel a job and try its failures again: its maker, and managers.
func mayJob(actor domain.Actor, j Job) bool {
	return actor.Role.May(domain.Permission(j.Verb)) && (actor.ID == j.Maker.ID || actor.Role.May(domain.PermJobs))
}

// job is the page of a job: how far it is, and what came of each order.
func (b *dashboard) job(w http.ResponseWriter, r *http.Request) error {
	j, err := b.readJob(r)
	if err != nil {
		return err
	}
	form := r.URL.Query()
	from, err := strconv.Atoi(cmp.Or(form.Get("from"), "0"))
	if err != nil || from < 0 {
		return projections.BadQuery("from", "must be a number")
	}
	page := jobPage{
		layout: b.layout(r, what(j.Verb, len(j.Items))), Job: j, What: what(j.Verb, len(j.Items)), Show: form.Get("show"),
		Open: j.State == "open", NewKey: uuid.NewString, Percent: 100 * j.Done / len(j.Items),
	}
	page.May = mayJob(page.Actor, j)
	path := "/jobs/" + j.ID
	counts := map[eventstore.JobOutcome]int{}
	for _, one := range j.Results {
		counts[one.Outcome]++
	}
	for _, o := range outcomes {
		v, name := outcomeView(outcomeViews[o]), cmp.Or(string(o), waiting)
		if o == "" && !page.Open {
			v.text = "Not done"
		}
		if counts[o] > 0 {
			page.Outcomes = append(page.Outcomes, jobCount{name, v.text, v.icon, v.class, counts[o], path + "?show=" + name, page.Show == name})
		}
	}
	page.Lines = b.jobLines(r.Context(), j, page.Show)
	if from > 0 {
		page.First = path + "?" + url.Values{"show": {page.Show}}.Encode()
	}
	page.Lines = page.Lines[min(from, len(page.Lines)):]
	if len(page.Lines) > jobLines {
		page.Lines = page.Lines[:jobLines]
		page.Next = path + "?" + url.Values{"show": {page.Show}, "from": {strconv.Itoa(from + jobLines)}}.Encode()
	}
	for i := range page.Lines {
		if o, err := b.Reader.Order(r.Context(), page.Lines[i].OrderID); err == nil {
			is := b.row(o, projections.Query{}, false)
			page.Lines[i].Now = &is
		}
	}
	if r.Header.Get(partHeader) == "job" {
		return b.part(w, r, http.StatusOK, "job", "progress", page)
	}
	return b.show(w, r, http.StatusOK, "job", page)
}

// jobLines are a job's orders, those that need somebody first; of one outcome alone when show names it.
func (b *dashboard) jobLines(_ context.Context, j Job, show string) []jobLine {
	var lines []jobLine
	for _, o := range outcomes {
		if show != "" && show != cmp.Or(string(o), waiting) {
			continue
		}
		v := outcomeViews[o]
		if o == "" && j.State != "open" {
			v.text = "Not done"
		}
		for i, one := range j.Results {
			if one.Outcome == o {
				lines = append(lines, jobLine{JobItem: j.Items[i], Outcome: v.text, Icon: v.icon, Class: v.class, Message: one.Message})
			}
		}
	}
	return lines
}

type jobsPage struct {
	layout
	Jobs   []jobRow
	Others bool // those of others are among them
}

type jobRow struct {
	projections.Job
	What, State, Icon, Class string
	Percent                  int
}

// jobs lists the latest jobs: one's own, and others' for those who may see them.
func (b *dashboard) jobs(w http.ResponseWriter, r *http.Request) error {
	page := jobsPage{layout: b.layout(r, "Jobs")}
	page.Others = page.Actor.Role.May(domain.PermJobs)
	q := projections.JobQuery{Maker: page.Actor.ID, Limit: 100}
	if page.Others {
		q.Maker = ""
	}
	list, err := b.Reader.Jobs(r.Context(), q)
	if err != nil {
		return err
	}
	for _, j := range list {
		row := jobRow{Job: j, What: what(j.Verb, j.Orders), State: "Under way", Icon: "clock", Class: "info", Percent: 100 * j.Done / j.Orders}
		switch {
		case j.Done < j.Orders && !j.Ended:
		case j.Asked > 0:
			row.State = "Waits for Stripe"
		case j.Done == j.Orders && j.Failed > 0:
			row.State, row.Icon, row.Class = "Finished, not all of it", "alert", "warn"
		case j.Done == j.Orders:
			row.State, row.Icon, row.Class = "Finished", "done", "good"
		default:
			row.State, row.Icon, row.Class = "Ended before its end", "ban", ""
		}
		page.Jobs = append(page.Jobs, row)
	}
	return b.show(w, r, http.StatusOK, "jobs", page)
}

// jobResults is a job's outcome as CSV.
func (b *dashboard) jobResults(w http.ResponseWriter, r *http.Request) error {
	j, err := b.readJob(r)
	if err != nil {
		return err
	}
	done := false
	columns := []string{"order_number", "outcome", "code", "message", "tracking", "order_id"}
	return b.table(r.Context(), w, "job-"+j.ID, columns, func() (rows [][]string, _ error) {
		for i, one := range j.Results {
			if done {
				break
			}
			rows = append(rows, []string{
				j.Items[i].Number, cmp.Or(string(one.Outcome), waiting), one.Code, one.Message, trackingText(j.Items[i].Tracking), j.Items[i].OrderID.String(),
			})
		}
		done = true
		return rows, nil
	})
}

// cancelJob leaves undone what is left of a job; retryJob makes another of what failed.
func (b *dashboard) cancelJob(w http.ResponseWriter, r *http.Request) error {
	return b.onJob(w, r, func(ctx context.Context, key string, j Job) (string, eventstore.Position, error) {
		p, err := b.Jobs.Cancel(ctx, key, j.ID)
		return j.ID, p, err
	})
}

func (b *dashboard) retryJob(w http.ResponseWriter, r *http.Request) error {
	return b.onJob(w, r, func(ctx context.Context, key string, j Job) (string, eventstore.Position, error) {
		plan := JobPlan{Verb: j.Verb, RetryOf: j.ID, Asked: "what failed", Items: slices.Clone(j.Undone)}
		for i, it := range plan.Items { // whoever tries again has looked at them
			o, err := b.Reader.Order(ctx, it.OrderID)
			if err != nil {
				return "", 0, err
			}
			plan.Items[i].Version = o.Version
		}
		return b.Jobs.Make(ctx, key, plan)
	})
}

func (b *dashboard) onJob(w http.ResponseWriter, r *http.Request, do func(ctx context.Context, key string, j Job) (string, eventstore.Position, error)) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return errForm
	}
	key := r.PostForm.Get("key")
	if key == "" || len(key) > maxKey {
		return errForm
	}
	j, err := b.readJob(r)
	if err != nil {
		return err
	}
	if !mayJob(domain.ActorFrom(r.Context()), j) {
		return queryapi.ErrForbidden
	}
	id, position, err := do(r.Context(), key, j)
	if err != nil {
		return b.refuseList(w, r, err, "/jobs/"+j.ID, "Look at the job")
	}
	b.settle(r.Context(), position)
	http.Redirect(w, r, "/jobs/"+id, http.StatusSeeOther)
	return nil
}

// refuseList says why something was not done that is not about one order.
func (b *dashboard) refuseList(w http.ResponseWriter, r *http.Request, err error, back, text string) error {
	var rejected *domain.Rejection
	if !errors.As(err, &rejected) {
		return err
	}
	m := b.explain(err)
	m.Advice, m.Back, m.BackText = "Nothing was changed.", back, text
	if rejected.Kind == domain.Invalid {
		m.Status, m.Title = http.StatusUnprocessableEntity, "Please correct the form"
	}
	m.layout = b.layout(r, m.Title)
	return b.show(w, r, m.Status, "message", m)
}
