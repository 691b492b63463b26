lab_src += tests/lab/labswitch.c tests/lab/prober.c
