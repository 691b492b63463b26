core_src += base/addr.c base/wire.c base/rng.c base/label.c base/meta.c base/repeat.c base/bucket.c base/histogram.c base/checksum.c
shell_src += base/clock.c base/sockaddr.c
