package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

// settle has the modules in tree require each other by version. The published
// ones lose the replace lines, which count for nothing in a module that is
// imported, and get the sums of those they require. Tests and examples keep
// theirs: they are run in the tree.
func settle(tree, version string) error {
	modules, err := published(tree)
	if err != nil {
		return err
	}
	all, err := modfiles(tree)
	if err != nil {
		return err
	}
	for _, path := range all {
		if err := requireVersion(path, version, isPublished(tree, path, modules)); err != nil {
			return err
		}
	}
	return addSums(tree, version, modules)
}

func isPublished(tree, modfile string, modules []string) bool {
	return slices.ContainsFunc(modules, func(path string) bool {
		return modfile == filepath.Join(tree, folderOf(path), "go.mod")
	})
}

func requireVersion(path, version string, published bool) error {
	file, err := readModfile(path)
	if err != nil {
		return err
	}
	needed := requirements(file)
	if len(needed) == 0 {
		return nil
	}
	for _, path := range needed {
		if err := file.AddRequire(path, version); err != nil {
			return err
		}
	}
	if published {
		if err := dropReplacements(file); err != nil {
			return err
		}
	}
	file.Cleanup()
	formatted, err := file.Format()
	if err != nil {
		return err
	}
	return os.WriteFile(path, formatted, 0o644)
}

func dropReplacements(file *modfile.File) error {
	for _, replace := range slices.Clone(file.Replace) {
		if !isOurs(replace.Old.Path) {
			return fmt.Errorf("%s replaces %s: importers do not get that", file.Module.Mod.Path, replace.Old.Path)
		}
		if err := file.DropReplace(replace.Old.Path, replace.Old.Version); err != nil {
			return err
		}
	}
	return nil
}

// addSums goes from the module that requires none upwards: a sum covers the
// sums in the module.
func addSums(tree, version string, modules []string) error {
	sums := map[string][]sum{}
	for _, path := range modules {
		folder := filepath.Join(tree, folderOf(path))
		file, err := readModfile(filepath.Join(folder, "go.mod"))
		if err != nil {
			return err
		}
		var needed []sum
		for _, required := range requirements(file) {
			needed = append(needed, sums[required]...)
		}
		if err := addTo(filepath.Join(folder, "go.sum"), needed); err != nil {
			return err
		}
		if sums[path], err = sumsOf(module.Version{Path: path, Version: version}, folder); err != nil {
			return err
		}
	}
	return nil
}

// sum is a line of a go.sum file.
type sum struct {
	of   module.Version
	hash string
}

func sumsOf(of module.Version, folder string) ([]sum, error) {
	scratch, err := os.CreateTemp("", "module-*.zip")
	if err != nil {
		return nil, err
	}
	defer os.Remove(scratch.Name())
	defer scratch.Close()
	if err := zip.CreateFromDir(scratch, of, folder); err != nil {
		return nil, err
	}
	whole, err := dirhash.HashZip(scratch.Name(), dirhash.Hash1)
	if err != nil {
		return nil, err
	}
	modOnly, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return os.Open(filepath.Join(folder, "go.mod"))
	})
	ofMod := module.Version{Path: of.Path, Version: of.Version + "/go.mod"}
	return []sum{{of, whole}, {ofMod, modOnly}}, err
}

// addTo writes a go.sum file in the order of the go command.
func addTo(path string, added []sum) error {
	if len(added) == 0 {
		return nil
	}
	sums, err := readSums(path)
	if err != nil {
		return err
	}
	hashes := map[module.Version]string{}
	var order []module.Version
	for _, sum := range append(sums, added...) {
		hashes[sum.of] = sum.hash
		order = append(order, sum.of)
	}
	module.Sort(order)
	var text bytes.Buffer
	for _, of := range slices.Compact(order) {
		fmt.Fprintf(&text, "%s %s %s\n", of.Path, of.Version, hashes[of])
	}
	return os.WriteFile(path, text.Bytes(), 0o644)
}

func readSums(path string) ([]sum, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var sums []sum
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) != 3 {
			return nil, fmt.Errorf("%s: not a line of a go.sum file: %q", path, line)
		}
		sums = append(sums, sum{module.Version{Path: words[0], Version: words[1]}, words[2]})
	}
	return sums, nil
}
