package main

import (
	"os"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/CycloneDX/cyclonedx-gomod/pkg/generate/bin"
	"github.com/rs/zerolog"
)

// writeBOM writes the bill of materials of a binary: the modules that are in it, with their versions and sums, as the
// binary itself tells. It has no serial number and no time, so that it is the same for the same binary.
func writeBOM(binary, version, file string) error {
	generator, err := bin.NewGenerator(binary, bin.WithLogger(zerolog.Nop()), bin.WithIncludeStdlib(true), bin.WithVersionOverride(version))
	if err != nil {
		return err
	}
	bom, err := generator.Generate()
	if err != nil {
		return err
	}
	bom.Metadata.Component.Licenses = &cyclonedx.Licenses{{License: &cyclonedx.License{ID: license}}}
	output, err := os.Create(file)
	if err != nil {
		return err
	}
	defer output.Close()
	if err := cyclonedx.NewBOMEncoder(output, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return err
	}
	return output.Close()
}
