// Package loaders finds the boot loader that a firmware can run: the first name of
// a list, signed shims first, in the first folder of the operator's that has a file
// of that kind. What a file is for is read from its PE header, so a folder may be
// flat, and a shim counts only with what it loads beside it.
package loaders
