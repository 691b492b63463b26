// SPDX-License-Identifier: Apache-2.0

// etcd of the version in go.mod, for the tests of kube/.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
