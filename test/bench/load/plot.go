package main

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
