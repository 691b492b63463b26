// SPDX-License-Identifier: Apache-2.0

// Renders what deploy/ has with the engines of Helm and kustomize themselves, without a cluster. The objects are JSON, one a line, in
// the order of kind and name, so that two renderings can be compared by diff.
//
//	render kustomize FOLDER
//	render helm CHART NAMESPACE [KEY=VALUE | KEY:=JSON | FILE.yaml]...
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"helm.sh/helm/v3/pkg/strvals"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

func main() {
	objects, err := render(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	sort.Strings(objects)
	for _, object := range objects {
		fmt.Println(object[strings.IndexByte(object, '\t')+1:])
	}
}

func render(arguments []string) ([]string, error) {
	switch {
	case len(arguments) == 2 && arguments[0] == "kustomize":
		return kustomize(arguments[1])
	case len(arguments) >= 3 && arguments[0] == "helm":
		return helm(arguments[1], arguments[2], arguments[3:])
	}
	return nil, fmt.Errorf("usage: render kustomize FOLDER | render helm CHART NAMESPACE [KEY=VALUE]...")
}

func kustomize(folder string) ([]string, error) {
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, err
	}
	text, err := resources.AsYaml()
	if err != nil {
		return nil, err
	}
	return documents(string(text))
}

// The chart is linted as `helm lint --strict` does, its values are held against its schema, and its crds/ come along.
func helm(folder, namespace string, sets []string) ([]string, error) {
	chart, err := loader.Load(folder)
	if err != nil {
		return nil, err
	}
	given, err := values(sets)
	if err != nil {
		return nil, err
	}
	options := chartutil.ReleaseOptions{Name: "mlbd", Namespace: namespace, Revision: 1, IsInstall: true}
	merged, err := chartutil.ToRenderValues(chart, given, options, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	for _, message := range lint.AllWithKubeVersion(folder, given, namespace, nil).Messages {
		if message.Severity > support.InfoSev {
			return nil, message
		}
	}
	files, err := engine.Render(chart, merged)
	if err != nil {
		return nil, err
	}
	var objects []string
	for _, crd := range chart.CRDObjects() {
		files[crd.Filename] = string(crd.File.Data)
	}
	for name, text := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			continue
		}
		some, err := documents(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		objects = append(objects, some...)
	}
	return objects, nil
}

func values(sets []string) (map[string]any, error) {
	given := map[string]any{}
	for _, set := range sets {
		var err error
		if key, text, found := strings.Cut(set, ":="); found {
			err = strvals.ParseJSON(key+"="+text, given)
		} else if strings.Contains(set, "=") {
			err = strvals.ParseInto(set, given)
		} else {
			var file chartutil.Values
			file, err = chartutil.ReadValuesFile(set)
			given = chartutil.CoalesceTables(given, file)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", set, err)
		}
	}
	return given, nil
}

// documents gives each object as "kind name<tab>JSON".
func documents(text string) ([]string, error) {
	var objects []string
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		var object map[string]any
		err := decoder.Decode(&object)
		if err == io.EOF {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(object) == 0 {
			continue
		}
		line, err := json.Marshal(object)
		if err != nil {
			return nil, err
		}
		metadata, _ := object["metadata"].(map[string]any)
		objects = append(objects, fmt.Sprintf("%v %v\t%s", object["kind"], metadata["name"], line))
	}
}
