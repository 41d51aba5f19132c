package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/mattn/go-isatty"

	"github.com/orderledger/orderledger/projections/queryapi"
)

// listing is data to print: rows for people and spreadsheets, items for programs.
type listing struct {
	columns []string
	rows    [][]string
	items   []any
	// one says that it is one thing and no list: its JSON is then the item itself.
	one bool
}

func (l *listing) add(item any, cells ...string) {
	l.items = append(l.items, item)
	l.rows = append(l.rows, cells)
}

// print writes a listing to standard output in the format that was asked for.
func (c *cli) print(l listing) error {
	switch c.format {
	case "json":
		e := json.NewEncoder(c.out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if l.one {
			return e.Encode(l.items[0])
		}
		return e.Encode(append([]any{}, l.items...))
	case "jsonl":
		e := json.NewEncoder(c.out)
		e.SetEscapeHTML(false)
		for _, item := range l.items {
			if err := e.Encode(item); err != nil {
				return err
			}
		}
		return nil
	case "csv":
		return writeCSV(c.out, l)
	}
	return c.writeTable(l)
}

func (c *cli) writeTable(l listing) error {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(cells []string) {
		for i, cell := range cells {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, printable(cell))
		}
		fmt.Fprint(w, "\n")
	}
	line(l.columns)
	for _, row := range l.rows {
		line(row)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	if c.colours() {
		lines[0] = "\x1b[1m" + lines[0] + "\x1b[0m"
	}
	_, err := io.WriteString(c.out, strings.Join(lines, "\n")+"\n")
	return err
}

// printable keeps what customers wrote from steering a clerk's terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

func writeCSV(to io.Writer, l listing) error {
	w := csv.NewWriter(to)
	if err := w.Write(l.columns); err != nil {
		return err
	}
	for _, row := range l.rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = queryapi.Cell(cell)
		}
		if err := w.Write(cells); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// colours says whether to print in colour: to a terminal alone, and not when the user said no.
func (c *cli) colours() bool { return !c.noColor && os.Getenv("NO_COLOR") == "" && isTerminal(c.out) }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// when writes an instant for people, in UTC; empty for none.
func when(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04")
}
