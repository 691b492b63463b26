lab_src += tests/bench/stamp.c
