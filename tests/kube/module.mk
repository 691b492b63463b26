lab_src += tests/kube/probe.c
