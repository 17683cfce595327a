package krakensecrets

// Version is the plugin's version, "vX.Y.Z" as Vault wants it. It stands here alone: make, the release and its workflow
// read it from this line. It isn't taken from git, so that a tarball and a clone of the same source build the same binary.
// A build may set another: -ldflags "-X github.com/krakensecrets/vault-plugin-secrets-kraken.Version=vX.Y.Z".
var Version = "v0.1.0"
