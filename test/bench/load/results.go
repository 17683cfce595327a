package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// result is what came of a target.
type result struct {
	summary
	of      string // the figures behind it, in words
	missing string // why it wasn't measured; "": it was
}

// results are by the target's id.
type results map[string]result

func (r results) set(id string, measured summary, of string, args ...any) {
	r.check(id)
	r[id] = result{summary: measured, of: fmt.Sprintf(of, args...)}
}

// missing notes that some targets couldn't be measured here.
func (r results) missing(why string, ids ...string) {
	for _, id := range ids {
		r.check(id)
		r[id] = result{missing: why}
	}
}

func (r results) check(id string) {
	for _, t := range targets {
		if t.id == id {
			return
		}
	}
	panic("no target " + id)
}

// rows are the results as a table, its head first: a row for each target that was tried.
func (r results) rows() [][]string {
	rows := [][]string{{"measure", "target", "measured", "met", "half of the rounds (of how many)", "figures (medians)"}}
	for _, t := range targets {
		got, tried := r[t.id]
		switch {
		case !tried:
		case got.missing != "":
			rows = append(rows, []string{t.about, t.bound(), "not measured: " + got.missing, "", "", ""})
		default:
			rows = append(rows, []string{t.about, t.bound(), t.kind.format(got.median), t.verdict(got.median), got.spread(t.kind), got.of})
		}
	}
	return rows
}

// spread is empty of a single round.
func (s summary) spread(k kind) string {
	if s.rounds < 2 {
		return ""
	}
	return fmt.Sprintf("%s – %s (%d)", k.format(s.low), k.format(s.high), s.rounds)
}

// markdown writes a table, its head first.
func markdown(rows [][]string) string {
	var text strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&text, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			text.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return text.String()
}

// aligned writes a table for a terminal.
func aligned(rows [][]string) string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(table, strings.ReplaceAll(strings.Join(row, "\t"), "**", ""))
	}
	_ = table.Flush() // to memory
	return text.String()
}

// milliseconds writes seconds as milliseconds, to three digits or so.
func milliseconds(seconds float64) string {
	ms := seconds * 1e3
	switch {
	case ms < 10:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 100:
		return fmt.Sprintf("%.1f ms", ms)
	default:
		return fmt.Sprintf("%.0f ms", ms)
	}
}
