package krakensecrets

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

// This file is what vault path-help prints beyond what the framework makes of a path: the mount as it is called, and the fields of answers.

const (
	// mountInHelp stands in help texts for the mount's path, which differs from mount to mount.
	mountInHelp = "{mount}"
	// usualMount is told where Vault doesn't say how the mount is called: when it gathers the OpenAPI document of all mounts.
	usualMount = "kraken/"
)

// answerHelp answers a request for help as framework.Backend does, with the mount's path in the examples.
func (b *backend) answerHelp(ctx context.Context, req *logical.Request) (*logical.Response, error) {
	response, err := b.Backend.HandleRequest(ctx, req)
	if err != nil || response == nil {
		return response, err
	}
	mount := req.MountPoint
	if mount == "" {
		mount = usualMount
	}
	if text, ok := response.Data["help"].(string); ok {
		response.Data["help"] = strings.ReplaceAll(text, mountInHelp, strings.TrimSuffix(mount, "/"))
	}
	return response, nil
}

// answerField is a field of an answer.
type answerField struct {
	name string
	*framework.FieldSchema
}

// always is a field that an answer always has.
func always(name string, fieldType framework.FieldType, description string) answerField {
	return answerField{name, &framework.FieldSchema{Type: fieldType, Description: description, Required: true}}
}

// sometimes is a field that an answer may lack.
func sometimes(name string, fieldType framework.FieldType, description string) answerField {
	return answerField{name, &framework.FieldSchema{Type: fieldType, Description: description}}
}

// okResponse is an answer with these fields.
func okResponse(fields []answerField) map[int][]framework.Response {
	schema := make(map[string]*framework.FieldSchema, len(fields))
	for _, field := range fields {
		schema[field.name] = field.FieldSchema
	}
	return map[int][]framework.Response{http.StatusOK: {{Description: "OK", Fields: schema}}}
}

// helpText is a help text with its parts behind it.
func helpText(text string, parts ...string) string {
	return strings.Join(append([]string{strings.TrimSpace(text)}, parts...), "\n\n")
}

// fieldsHelp lists the fields of an answer.
func fieldsHelp(fields []answerField) string {
	entries := make([][2]string, len(fields))
	for i, field := range fields {
		name := fmt.Sprintf("%s (%s)", field.name, field.Type)
		if !field.Required {
			name = fmt.Sprintf("%s (%s, may be missing)", field.name, field.Type)
		}
		entries[i] = [2]string{name, field.Description}
	}
	return listHelp("Fields of the answer:", entries)
}

// listHelp lists names and what they mean, in the form in which the framework lists the parameters.
func listHelp(title string, entries [][2]string) string {
	var list strings.Builder
	list.WriteString(title)
	for _, entry := range entries {
		fmt.Fprintf(&list, "\n\n    %s\n        %s", entry[0], entry[1])
	}
	return list.String()
}
