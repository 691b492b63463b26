lab_src += tests/lab/labswitch.c tests/lab/prober.c tests/lab/badpackets.c tests/lab/flood.c
# What the prober's records mean, its frames, and what the switch holds back: pure, so they stand under the same checks as the
# cores.
core_src += tests/lab/observe.c tests/lab/frame.c tests/lab/delay.c
