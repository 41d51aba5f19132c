package natsapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/orderledger/orderledger/commands/commandapi"
)

// headerStatus says HTTP's status of an answer: 201, or 202 when Stripe has still to answer.
const headerStatus = "Http-Status"

// headerRoom is what is left of the server's limit for the headers of an answer.
const headerRoom = 8 << 10

// maxKept is how large a member of an answer may be that is too large itself.
const maxKept = 256

// recorder keeps an HTTP answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{header: http.Header{}} }

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

func problem(p *commandapi.Problem) *recorder {
	r := newRecorder()
	p.Write(r)
	return r
}

// respond sends an answer, and counts it.
func (s *Service) respond(e *endpoint, m *nats.Msg, began time.Time, a *recorder) {
	if limit := s.cfg.Conn.MaxPayload(); int64(a.body.Len())+headerRoom > limit {
		a = a.shortened(e.operation.method)
	}
	out := nats.NewMsg(m.Reply)
	out.Data = a.body.Bytes()
	for _, name := range answered {
		if value := a.header.Get(name); value != "" {
			out.Header.Set(name, oneLine(value)) // under the name that the documentation gives it: NATS does not ignore case
		}
	}
	a.WriteHeader(http.StatusOK)
	out.Header.Set(headerStatus, strconv.Itoa(a.status))
	failure := ""
	if a.status >= http.StatusBadRequest {
		failure = a.failure()
		out.Header.Set(micro.ErrorCodeHeader, strconv.Itoa(a.status))
		out.Header.Set(micro.ErrorHeader, failure)
	}
	e.count(time.Since(began), failure)
	if err := s.cfg.Conn.PublishMsg(out); err != nil {
		s.cfg.Logger.Warn("an answer on NATS could not be sent; the same request, sent again, is answered the same", "subject", m.Subject, "error", err)
	}
}

// shortened is an answer that is too large, without what makes it so. A command has been carried out, and must not look refused.
func (r *recorder) shortened(method string) *recorder {
	if method == http.MethodGet || r.status >= http.StatusBadRequest {
		return problem(commandapi.New(http.StatusRequestEntityTooLarge, commandapi.CodeTooLarge,
			"The answer is larger than this NATS server takes. Ask for less at once, such as with a smaller limit, or by HTTP."))
	}
	short := map[string]any{}
	var members map[string]json.RawMessage
	_ = json.Unmarshal(r.body.Bytes(), &members) // what is no object is omitted altogether
	omitted := []string{}
	for name, value := range members {
		if len(value) > maxKept || value[0] == '{' || value[0] == '[' {
			omitted = append(omitted, name)
			continue
		}
		short[name] = value
	}
	slices.Sort(omitted)
	short["omitted"] = omitted
	out := &recorder{header: r.header, status: r.status}
	_ = json.NewEncoder(&out.body).Encode(short) // valid JSON can be written
	return out
}

// failure says a problem in a line: its code and what to do.
func (r *recorder) failure() string {
	var p commandapi.Problem
	if err := json.Unmarshal(r.body.Bytes(), &p); err != nil || p.Code == "" {
		return http.StatusText(r.status)
	}
	return oneLine(p.Error())
}

// oneLine is a text that fits into a header.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\r' || r == '\n' }), " ")
}
