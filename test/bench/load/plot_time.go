package main

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// parts are what a read's time is spent on, in the order in which they are stacked.
var parts = []struct {
	label string
	color color.NRGBA
	text  color.Color // on it
}{
	{"Vault", color.NRGBA{150, 95, 175, 255}, color.White},
	{"plugin boundary (gRPC)", color.NRGBA{100, 100, 100, 255}, color.White},
	{"engine", color.NRGBA{213, 94, 0, 255}, color.White},
	{"Kraken, and the way there and back", color.NRGBA{86, 180, 233, 255}, color.Black},
}

// spent is how a read's time is spent.
type spent struct {
	label string
	parts [4]float64 // s, as in parts
}

func (s spent) sum() (sum float64) {
	for _, part := range s.parts {
		sum += part
	}
	return sum
}

// spent takes the times apart. What reads inside Vault, of the floor and of Kraken without Vault take is measured; the
// engine's part is what is left. Less than nothing is noise, and shown as nothing.
func (p *plots) spent() []spent {
	parts := func(read, call string) (parts [4]float64) {
		inVault, outside := p.times[builtinKV], p.times[call]
		boundary := max(0, p.times[floor]-inVault)
		return [4]float64{inVault, boundary, max(0, p.times[read]-inVault-boundary-outside), outside}
	}
	return []spent{
		{"cached read", parts(kraken, "none")},
		{"minted read, Kraken beside it", parts(minted, bareCall)},
		{"minted read, Kraken 40 ms away", parts(mintedFar, bareFar)},
	}
}

// timeRows is the same as a table, its head first.
func (p *plots) timeRows() [][]string {
	head := []string{"read"}
	for _, part := range parts {
		head = append(head, part.label)
	}
	rows := [][]string{append(head, "together")}
	for _, read := range p.spent() {
		row := []string{read.label}
		for _, part := range read.parts {
			row = append(row, milliseconds(part))
		}
		rows = append(rows, append(row, milliseconds(read.sum())))
	}
	return rows
}

// drawTimes draws how a read's time is spent, as stacked bars: those with Kraken near, and below, on a scale of its own, the
// one with Kraken far away.
func (p *plots) drawTimes(file string) error {
	read := p.spent()
	near, err := stackedBars("How a read's time is spent", read[1], read[0]) // from below
	if err != nil {
		return err
	}
	far, err := stackedBars("", read[2])
	if err != nil {
		return err
	}
	far.X.Label.Text = "ms, p50 of one reader"
	if err := addLegend(near); err != nil {
		return err
	}
	canvas, inside := newCanvas(vg.Points(760), vg.Points(300))
	// What begins the bars is at the same place in both.
	columns := plot.Align([][]*plot.Plot{{near}, {far}}, draw.Tiles{Rows: 2, Cols: 1}, inside)
	upper, lower := draw.Crop(inside, 0, 0, vg.Points(105), 0), draw.Crop(inside, 0, 0, 0, -vg.Points(185))
	upper.Min.X, upper.Max.X = columns[0][0].Min.X, columns[0][0].Max.X
	lower.Min.X, lower.Max.X = columns[1][0].Min.X, columns[1][0].Max.X
	near.Draw(upper)
	far.Draw(lower)
	return save(canvas, file)
}

// stackedBars is a panel of bars, the lowest first.
func stackedBars(title string, reads ...spent) (*plot.Plot, error) {
	panel := newPlot(title)
	panel.BackgroundColor = color.Transparent
	var names []string
	longest := 0.0
	for _, read := range reads {
		names = append(names, read.label)
		longest = max(longest, read.sum())
	}
	var below *plotter.BarChart
	for i, part := range parts {
		values := make(plotter.Values, len(reads))
		for j, read := range reads {
			values[j] = read.parts[i] * 1e3
		}
		bars, err := plotter.NewBarChart(values, vg.Points(34))
		if err != nil {
			return nil, err
		}
		bars.Horizontal, bars.Color, bars.LineStyle.Width = true, part.color, 0
		if below != nil {
			bars.StackOn(below)
		}
		below = bars
		panel.Add(bars)
	}
	labels, err := valueLabels(longest, reads)
	if err != nil {
		return nil, err
	}
	panel.Add(labels)
	panel.NominalY(names...)
	panel.X.Min, panel.X.Max = 0, longest*1e3*1.35 // room for the sum, and the legend
	panel.Y.Min, panel.Y.Max = -0.5, float64(len(reads))-0.5
	return panel, nil
}

// valueLabels writes each part's time into it where there is room, and the sum behind the bar.
func valueLabels(longest float64, reads []spent) (*plotter.Labels, error) {
	var at plotter.XYs
	var texts []string
	var colours []color.Color
	for j, read := range reads {
		begin := 0.0
		for i, part := range read.parts {
			if part > 0.07*longest {
				at, texts = append(at, plotter.XY{X: (begin + part/2) * 1e3, Y: float64(j)}), append(texts, fmt.Sprintf("%.2f", part*1e3))
				colours = append(colours, parts[i].text)
			}
			begin += part
		}
		at, texts = append(at, plotter.XY{X: begin*1e3 + longest*1e3*0.05, Y: float64(j)}), append(texts, fmt.Sprintf("%.2f", begin*1e3))
		colours = append(colours, color.Black)
	}
	labels, err := plotter.NewLabels(plotter.XYLabels{XYs: at, Labels: texts})
	if err != nil {
		return nil, err
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].Color, labels.TextStyle[i].Font.Size = colours[i], vg.Points(11)
		labels.TextStyle[i].XAlign, labels.TextStyle[i].YAlign = draw.XCenter, draw.YCenter
	}
	return labels, nil
}

// addLegend names the parts.
func addLegend(panel *plot.Plot) error {
	for _, part := range parts {
		swatch, err := plotter.NewBarChart(plotter.Values{0}, vg.Points(1))
		if err != nil {
			return err
		}
		swatch.Color, swatch.LineStyle.Width = part.color, 0
		panel.Legend.Add(part.label, swatch)
	}
	panel.Legend.Top, panel.Legend.YPosition = true, draw.PosCenter
	return nil
}
