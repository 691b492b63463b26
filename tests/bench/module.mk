lab_src += tests/bench/stamp.c tests/bench/failover_many.c
bench_src += tests/bench/allocator.c
