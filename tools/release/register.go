package main

import (
	"bytes"
	_ "embed"
	"strings"
	"text/template"
)

//go:embed REGISTER.md.tmpl
var registration string

// register writes REGISTER.md: the commands that register each file with Vault, ready to be copied.
func register(about release, files []file) ([]byte, error) {
	parsed, err := template.New("REGISTER.md").Option("missingkey=error").Parse(registration)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err = parsed.Execute(&text, map[string]any{
		"Plugin": pluginName, "Version": about.version, "Tag": about.tag(), "Source": source, "Image": imageRepository,
		"Go": files[0].goVersion, "Files": files,
	})
	return text.Bytes(), err
}

// For the template.
func (f file) Name() string        { return f.name() }
func (f file) Platform() string    { return f.os + " " + f.arch }
func (f file) Base() string        { return strings.TrimSuffix(f.name(), ".exe") }
func (f file) Sum() string         { return f.sum }
func (f file) ImageID() string     { return f.imageID }
func (f file) ImageDigest() string { return f.imageDigest }
func (f file) Windows() bool       { return f.os == "windows" }

// Archive is the name of the file that has the binary in it.
func (f file) Archive() string {
	if f.Windows() {
		return f.Base() + ".zip"
	}
	return f.Base() + ".tar.gz"
}

// Command is what the binary is called in a server's plugin directory.
func (f file) Command(version string) string {
	name := pluginName + "_" + version
	if f.Windows() {
		name += ".exe"
	}
	return name
}
