// Package manifests checks examples/kubernetes against what the operators and Kubernetes itself accept. It is a module of its own, so that Kubernetes' libraries
// aren't among what the plugin depends on.
package manifests
