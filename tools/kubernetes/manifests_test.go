package manifests

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// Where the definitions of External Secrets' resources come from: a version of its module, and its checksum, for it isn't in go.mod, because nothing of it is compiled.
const (
	externalSecrets    = "github.com/external-secrets/external-secrets@v1.3.2"
	externalSecretsSum = "h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ="
)

// definitionsVariable names a directory with more definitions. Those of the Vault Secrets Operator can't be had as a Go module, so their resources are checked where
// somebody has put config/crd/bases of its repository there.
const definitionsVariable = "CRD_DIRECTORY"

// Each document of the examples is what the API server would take as it stands: nothing unknown, nothing missing, nothing of a wrong type.
func TestManifestsAreWhatTheOperatorsDefine(t *testing.T) {
	definitions := read(t, filepath.Join(externalSecretsDirectory(t), "config/crds/bases"))
	if directory := os.Getenv(definitionsVariable); directory != "" {
		for kind, definition := range read(t, directory) {
			definitions[kind] = definition
		}
	}
	files, err := filepath.Glob("../../examples/kubernetes/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, 3)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for document := range strings.SplitSeq(string(text), "\n---\n") {
			resource := &unstructured.Unstructured{}
			require.NoError(t, yaml.UnmarshalStrict([]byte(document), &resource.Object), file)
			kind := resource.GroupVersionKind()
			t.Run(filepath.Base(file)+"/"+kind.Kind, func(t *testing.T) {
				definition, defined := definitions[kind]
				switch {
				case defined:
					assertMatches(t, definition, resource)
				case kind == corev1.SchemeGroupVersion.WithKind("ServiceAccount"):
					assert.NoError(t, yaml.UnmarshalStrict([]byte(document), &corev1.ServiceAccount{}))
				case kind == appsv1.SchemeGroupVersion.WithKind("Deployment"):
					assert.NoError(t, yaml.UnmarshalStrict([]byte(document), &appsv1.Deployment{}))
				case kind.Group == "secrets.hashicorp.com":
					t.Skipf("its definition can't be had as a Go module; %s names a directory with it", definitionsVariable)
				default:
					t.Errorf("nothing defines a %s", kind)
				}
			})
		}
	}
}

// externalSecretsDirectory is where Go's module cache has External Secrets.
func externalSecretsDirectory(t *testing.T) string {
	t.Helper()
	command := exec.Command("go", "mod", "download", "-json", externalSecrets)
	command.Dir = t.TempDir() // outside of this module, which doesn't require it
	told, err := command.Output()
	require.NoError(t, err, "%s", told)
	var module struct{ Dir, Sum string }
	require.NoError(t, json.Unmarshal(told, &module))
	require.Equal(t, externalSecretsSum, module.Sum)
	return module.Dir
}

// read returns the definitions of custom resources in a directory.
func read(t *testing.T, directory string) map[schema.GroupVersionKind]apiextensionsv1.CustomResourceDefinitionVersion {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(directory, "*.yaml"))
	require.NoError(t, err)
	definitions := map[schema.GroupVersionKind]apiextensionsv1.CustomResourceDefinitionVersion{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var definition apiextensionsv1.CustomResourceDefinition
		require.NoError(t, yaml.Unmarshal(text, &definition), file)
		for _, version := range definition.Spec.Versions {
			definitions[schema.GroupVersionKind{Group: definition.Spec.Group, Version: version.Name, Kind: definition.Spec.Names.Kind}] = version
		}
	}
	require.NotEmpty(t, definitions, directory)
	return definitions
}

// assertMatches does what the API server does with a custom resource: it sees that it has to drop nothing, sets defaults, and validates.
func assertMatches(t *testing.T, definition apiextensionsv1.CustomResourceDefinitionVersion, resource *unstructured.Unstructured) {
	t.Helper()
	assert.True(t, definition.Served)
	assert.False(t, definition.Deprecated)
	var internal apiextensions.JSONSchemaProps
	require.NoError(t, apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(definition.Schema.OpenAPIV3Schema, &internal, nil))
	structural, err := structuralschema.NewStructural(&internal)
	require.NoError(t, err)
	dropped := pruning.PruneWithOptions(resource.Object, structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	assert.Empty(t, dropped, "unknown fields")
	defaulting.Default(resource.Object, structural)
	validator, _, err := validation.NewSchemaValidator(&internal)
	require.NoError(t, err)
	assert.Empty(t, validation.ValidateCustomResource(nil, resource.Object, validator))
}
