package config

import _ "embed"

// Example is the commented reference config: every key, with its default.
// `bootes serve --print-config` prints it.
//
//go:embed bootes.yaml
var Example string
