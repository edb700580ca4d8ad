package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
)

// top is the folder of the first module, and the end of its path; the others
// are below it.
const top = "ffi/go"

const topPath = "github.com/haltbox/haltbox/" + top

func isOurs(path string) bool {
	return path == topPath || strings.HasPrefix(path, topPath+"/")
}

// folderOf is relative to the top of the repository.
func folderOf(path string) string {
	return top + strings.TrimPrefix(path, topPath)
}

// modfiles finds the go.mod files, and those that tests give to -modfile.
func modfiles(tree string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && strings.HasSuffix(path, ".mod") {
			found = append(found, path)
		}
		return err
	})
	return found, err
}

func readModfile(path string) (*modfile.File, error) {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return modfile.Parse(path, bytes, nil)
}

// requirements of a module among the modules of this repository.
func requirements(file *modfile.File) []string {
	var paths []string
	for _, require := range file.Require {
		if isOurs(require.Mod.Path) {
			paths = append(paths, require.Mod.Path)
		}
	}
	return paths
}

// published gives the modules that a release tags, each behind those that it
// requires. Examples are for reading: nobody imports them.
func published(tree string) ([]string, error) {
	all, err := modfiles(filepath.Join(tree, top))
	if err != nil {
		return nil, err
	}
	requires := map[string][]string{}
	for _, path := range all {
		if filepath.Base(path) != "go.mod" || strings.Contains(path, "/example/") {
			continue
		}
		file, err := readModfile(path)
		if err != nil {
			return nil, err
		}
		requires[file.Module.Mod.Path] = requirements(file)
	}
	return inOrder(requires)
}

func inOrder(requires map[string][]string) ([]string, error) {
	var ordered []string
	placed := map[string]bool{}
	for len(ordered) < len(requires) {
		before := len(ordered)
		for path, needed := range requires {
			if !placed[path] && allPlaced(needed, placed) {
				placed[path] = true
				ordered = append(ordered, path)
			}
		}
		if len(ordered) == before {
			return nil, fmt.Errorf("modules require each other, or one that is not there: %v", requires)
		}
	}
	return ordered, nil
}

func allPlaced(paths []string, placed map[string]bool) bool {
	for _, path := range paths {
		if !placed[path] {
			return false
		}
	}
	return true
}
