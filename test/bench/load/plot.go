package main

import (
	"bytes"
	"fmt"
	"image/color"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// plots is what the pictures show.
type plots struct {
	points []point
	times  map[string]float64 // p50 in seconds at 1 reader, by contender
}

// point is a contender's throughput and latency with so many readers.
type point struct {
	name       string
	readers    int
	throughput float64 // requests per second
	p50, p99   float64 // s
}

func (p *plots) add(name string, readers int, samples []sample) {
	p.points = append(p.points, point{
		name, readers, median(each(samples, sample.throughput)), median(each(samples, sample.p50)), median(each(samples, sample.p99)),
	})
}

// lines are the contenders in the order of the legend, in colours that the colour-blind can tell apart.
var lines = []struct {
	name, label string
	color       color.NRGBA
}{
	{kraken, "this plugin, cached read", color.NRGBA{213, 94, 0, 255}},
	{floor, "floor: a plugin that does nothing", color.NRGBA{0, 0, 0, 255}},
	{constant, "constant plugin, on the SDK's framework", color.NRGBA{0, 114, 178, 255}},
	{kvExternal, "KV engine as an external plugin", color.NRGBA{0, 158, 115, 255}},
	{builtinKV, "KV engine inside Vault", color.NRGBA{150, 95, 175, 255}},
}

// newPlot has large text, and a background of its own, for who reads it on a dark page.
func newPlot(title string) *plot.Plot {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	plotter.DefaultFont = plot.DefaultFont
	p := plot.New()
	p.Title.Text = title
	p.Title.TextStyle.Font.Size = vg.Points(14)
	p.Title.Padding = vg.Points(8)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font.Size = vg.Points(12)
		axis.Tick.Label.Font.Size = vg.Points(11)
		axis.Padding = vg.Points(4)
	}
	p.Legend.TextStyle.Font.Size, p.Legend.Padding = vg.Points(11), vg.Points(3)
	p.BackgroundColor = color.White
	return p
}

// drawLatency draws latency against throughput, a line for each contender: p50, and in a lighter colour p99.
func (p *plots) drawLatency(file string) error {
	picture := newPlot("A read's latency against throughput, at 1, 16 and 64 readers")
	picture.X.Label.Text, picture.Y.Label.Text = "reads per second", "latency, ms (log. scale): p50, and p99 dashed"
	picture.Y.Scale = plot.LogScale{}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{225}, color.Gray{225}
	picture.Add(grid)
	for _, line := range lines {
		if err := p.addLine(picture, line.name, line.label, line.color); err != nil {
			return err
		}
	}
	picture.X.Min, picture.X.Max = 0, picture.X.Max*1.06
	picture.Y.Min, picture.Y.Max = picture.Y.Min*0.8, picture.Y.Max*6 // room for the legend
	picture.Y.Tick.Marker = plot.ConstantTicks(logTicks(picture.Y.Min, picture.Y.Max))
	picture.Legend.Top, picture.Legend.Left = true, true
	picture.Legend.XOffs, picture.Legend.YOffs = vg.Points(8), -vg.Points(2)
	canvas, inside := newCanvas(vg.Points(760), vg.Points(500))
	picture.Draw(inside)
	return save(canvas, file)
}

// newCanvas is an empty picture, and the part of it within its margins.
func newCanvas(width, height vg.Length) (*vgsvg.Canvas, draw.Canvas) {
	canvas := vgsvg.New(width, height)
	all := draw.New(canvas)
	all.SetColor(color.White)
	all.Fill(all.Rectangle.Path())
	const margin = 10
	return canvas, draw.Crop(all, margin, -margin, margin, -margin)
}

// save writes a picture, with other fonts to take where that which it was made with isn't there.
func save(canvas *vgsvg.Canvas, file string) error {
	var text bytes.Buffer
	if _, err := canvas.WriteTo(&text); err != nil {
		return err
	}
	const family = "font-family:Liberation Sans"
	return os.WriteFile(file, bytes.ReplaceAll(text.Bytes(), []byte(family), []byte(family+",Arial,Helvetica,sans-serif")), 0o644)
}

// addLine draws one contender: its p50 with the numbers of readers, its p99 lighter.
func (p *plots) addLine(picture *plot.Plot, name, label string, colour color.NRGBA) error {
	var p50, p99 plotter.XYs
	var counts []string
	for _, at := range p.points {
		if at.name == name {
			p50 = append(p50, plotter.XY{X: at.throughput, Y: at.p50 * 1e3})
			p99 = append(p99, plotter.XY{X: at.throughput, Y: at.p99 * 1e3})
			counts = append(counts, fmt.Sprint(at.readers))
		}
	}
	solid, dots, err := plotter.NewLinePoints(p50)
	if err != nil {
		return err
	}
	dashed, err := plotter.NewLine(p99)
	if err != nil {
		return err
	}
	numbers, err := plotter.NewLabels(plotter.XYLabels{XYs: p50, Labels: counts})
	if err != nil {
		return err
	}
	solid.Color, solid.Width = colour, vg.Points(2)
	dots.Color, dots.Radius, dots.Shape = colour, vg.Points(3.5), draw.CircleGlyph{}
	lighter := colour
	lighter.A = 110
	dashed.Color, dashed.Width, dashed.Dashes = lighter, vg.Points(1.5), []vg.Length{vg.Points(5), vg.Points(3)}
	for i := range numbers.TextStyle {
		numbers.TextStyle[i].Color, numbers.TextStyle[i].Font.Size = colour, vg.Points(11)
	}
	numbers.Offset = vg.Point{X: vg.Points(5), Y: -vg.Points(12)}
	if name == kraken { // which is close to the floor
		numbers.Offset = vg.Point{X: -vg.Points(16), Y: vg.Points(4)}
	}
	picture.Add(dashed, solid, dots, numbers)
	picture.Legend.Add(label, solid, dots)
	return nil
}

// logTicks are those of 1, 2, 5, 10 and so on in a range.
func logTicks(least, most float64) (ticks []plot.Tick) {
	for decade := 0.01; decade <= most; decade *= 10 {
		for _, value := range []float64{decade, 2 * decade, 5 * decade} {
			if value >= least && value <= most {
				ticks = append(ticks, plot.Tick{Value: value, Label: fmt.Sprintf("%.3g", value)})
			}
		}
	}
	return ticks
}
