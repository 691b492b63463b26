// SPDX-License-Identifier: Apache-2.0

// kube-apiserver of the version in go.mod, for the tests of kube/.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	os.Exit(cli.Run(app.NewAPIServerCommand()))
}
