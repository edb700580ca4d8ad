package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// writeProxy makes of the tags of a version what a module proxy serves: the
// same zip files that the go command makes of the repository.
func writeProxy(repository, version, to string) error {
	folders, err := tagged(repository, version)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		path := topPath + strings.TrimPrefix(folder, top)
		one := taggedModule{
			repository: repository,
			folder:     folder,
			of:         module.Version{Path: path, Version: version},
		}
		if err := one.write(to); err != nil {
			return fmt.Errorf("%s: %w", one.tag(), err)
		}
	}
	return nil
}

// tagged gives the folders of the modules that have a tag of this version.
func tagged(repository, version string) ([]string, error) {
	tags, err := git(repository, "tag", "--list", top+"/*")
	if err != nil {
		return nil, err
	}
	var folders []string
	for _, tag := range strings.Fields(tags) {
		if folder, found := strings.CutSuffix(tag, "/"+version); found {
			folders = append(folders, folder)
		}
	}
	if len(folders) == 0 {
		return nil, fmt.Errorf("%s has no tag %s/%s: packaging/go/release makes it", repository, top, version)
	}
	return folders, nil
}

type taggedModule struct {
	repository, folder string
	of                 module.Version
}

func (m taggedModule) tag() string { return m.folder + "/" + m.of.Version }

func (m taggedModule) write(to string) error {
	escaped, err := module.EscapePath(m.of.Path)
	if err != nil {
		return err
	}
	folder := filepath.Join(to, escaped, "@v")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	info, err := m.info()
	if err != nil {
		return err
	}
	mod, err := git(m.repository, "show", m.tag()+":"+m.folder+"/go.mod")
	if err != nil {
		return err
	}
	files := map[string]string{"list": m.of.Version + "\n", m.of.Version + ".info": info, m.of.Version + ".mod": mod}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return m.writeZip(filepath.Join(folder, m.of.Version+".zip"))
}

func (m taggedModule) info() (string, error) {
	committed, err := git(m.repository, "log", "-1", "--format=%cI", m.tag())
	if err != nil {
		return "", err
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(committed))
	if err != nil {
		return "", err
	}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{m.of.Version, at.UTC()})
	return string(info), err
}

func (m taggedModule) writeZip(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := zip.CreateFromVCS(file, m.of, m.repository, m.tag(), m.folder); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

func git(repository string, arguments ...string) (string, error) {
	command := exec.Command("git", append([]string{"-C", repository}, arguments...)...)
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(arguments, " "), err)
	}
	return string(output), nil
}
