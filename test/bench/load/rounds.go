package main

import "fmt"

// contender is one of those that are measured side by side.
type contender struct {
	name    string
	measure func() (sample, error)
}

// interleave measures each contender once in each round, so that whatever else the machine does hits all alike. Who is
// first changes from round to round. The samples are by name, a sample a round.
func interleave(rounds int, contenders ...contender) (map[string][]sample, error) {
	samples := make(map[string][]sample)
	for round := range rounds {
		for i := range contenders {
			c := contenders[(round+i)%len(contenders)]
			taken, err := c.measure()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			samples[c.name] = append(samples[c.name], taken)
		}
	}
	return samples, nil
}

// withProcessor has the contender's samples tell what processes have used of the processor.
func (c contender) withProcessor(pids []int) contender {
	return contender{c.name, func() (sample, error) {
		before := processorTime(pids)
		taken, err := c.measure()
		taken.processor = processorTime(pids) - before
		return taken, err
	}}
}
