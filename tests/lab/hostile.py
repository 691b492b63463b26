#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of a control socket that nobody wants; tests/lab/hostile runs this in a node's namespace.

    tests/lab/hostile.py ADDRESS requests N SEED    N malformed or oversized requests, one connection each
    tests/lab/hostile.py ADDRESS idle N SECONDS     N connections that say nothing
    tests/lab/hostile.py ADDRESS reader SECONDS     long answers, read at a byte a second
    tests/lab/hostile.py ADDRESS writer SECONDS     a request, written at a byte a second

ADDRESS: the path of a Unix socket, or HOST:PORT. `requests` prints how many were answered with each status (0: none, the
connection was closed, or stayed mute for a second) and fails if a request that is malformed by design got a 200.
"""
import collections
import random
import socket
import sys
import time

PATHS = ["/v1/status", "/v1/drain", "/v1/handover", "/v1/keys/add", "/v1/log-level", "/v1/reload", "/v1/services/explain", "/metrics"]
BODY_MAX = 65536


def connect(address, timeout=1.0):
    if address.startswith("/"):
        sock = socket.socket(socket.AF_UNIX)
        where = address
    else:
        host, port = address.rsplit(":", 1)
        sock = socket.socket(socket.AF_INET)
        where = (host, int(port))
    sock.settimeout(timeout)
    while True:
        try:
            sock.connect(where)
            return sock
        except (BlockingIOError, InterruptedError):  # a Unix socket whose backlog is full
            time.sleep(0.01)


def noise(rng, size):
    return rng.randbytes(size)


def head(method, path, length, more=b""):
    return b"%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n" % (method, path, length, more)


def bad_json(rng):
    """A body that no command takes, and its request."""
    body = rng.choice([
        b"{", b"[]", b"7", b'"x"', b'{"unknown":1}', b'{"level":7}', b'{"service":"","node":"n1"}', b'{"key":null}',
        b'{"service":"w\\u0000","node":"n1"}', b"{" * rng.randrange(2, 3000), b"[" * rng.randrange(1, 3000),
        b"\xff" + noise(rng, rng.randrange(1, 300)), b'{"a":' * 900 + b"1" + b"}" * 900, b"\0" * rng.randrange(1, 100)])
    path = rng.choice([p for p in PATHS if p not in ("/v1/status", "/metrics")]).encode()
    return head(b"POST", path, len(body)) + body


def make(rng):
    """One request that must not be answered with 200."""
    kind = rng.randrange(12)
    path = rng.choice(PATHS).encode()
    if kind == 0:
        return noise(rng, rng.randrange(1, 2000)) + b"\r\n\r\n"
    if kind == 1:
        return bad_json(rng)
    if kind == 2:
        return b"GET /" + b"a" * rng.randrange(4000, 40000) + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    if kind == 3:
        return head(b"GET", b"/v1/nothing", 0, b"X: " + b"b" * rng.randrange(9000, 40000) + b"\r\n")
    if kind == 4:
        return head(b"POST", b"/v1/drain", 2**63 + rng.randrange(2**30))
    if kind == 5:
        return head(b"POST", b"/v1/drain", BODY_MAX + 1 + rng.randrange(1000)) + b"x" * (BODY_MAX + 1001)
    if kind == 6:
        return b"POST /v1/drain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + rng.choice(
            [b"zz\r\n", b"ffffffffffffffffff\r\n", b"-1\r\n\r\n", b"10\r\nshort\r\n0\r\n\r\n"])
    if kind == 7:
        return head(rng.choice([b"DELETE", b"PUT", b"BREW", b"G" * 300]), path, 0)
    if kind == 8:
        return head(b"POST", b"/v1/drain", 400) + b"cut short"
    if kind == 9:
        return head(b"GET", b"/" + bytes(rng.choice(b"%./\\?;abc\x80") for _ in range(rng.randrange(1, 60))).replace(b" ", b""), 0)
    if kind == 10:
        return b"GET " + path  # and no more
    return head(b"GET", b"/v1/events?since=" + rng.choice([b"-1", b"x", b"9" * 30, b"%00"]), 0)


def status_of(sock):
    data = b""
    try:
        while len(data) < 12:
            more = sock.recv(4096)
            if not more:
                break
            data += more
    except OSError:
        pass
    return int(data[9:12]) if data[:5] == b"HTTP/" and data[9:12].isdigit() else 0


def requests(address, number, seed):
    rng = random.Random(seed)
    counts = collections.Counter()
    for i in range(number):
        request = make(rng)
        sock = connect(address)
        try:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before it was all sent
        status = status_of(sock)
        counts[status] += 1
        if status == 200:
            print(f"request {i} of seed {seed} was answered with 200: {request[:100]!r}")
            return 1
        sock.close()
    print(" ".join(f"{status}:{count}" for status, count in sorted(counts.items())))
    return 0


def idle(address, number, seconds):
    socks = []
    end = time.monotonic() + seconds
    for _ in range(number):
        sock = socket.socket(socket.AF_UNIX if address.startswith("/") else socket.AF_INET)
        sock.setblocking(False)
        try:
            sock.connect(address if address.startswith("/") else (address.rsplit(":", 1)[0], int(address.rsplit(":", 1)[1])))
        except OSError:
            pass  # under way, or the backlog is full
        socks.append(sock)
    time.sleep(max(0, end - time.monotonic()))
    return 0


def trickle(address, seconds, step):
    """`step` is called each second with a connection, and a new one when that has ended."""
    end = time.monotonic() + seconds
    sock = None
    while time.monotonic() < end:
        try:
            sock = sock or connect(address, 3)
            sock = sock if step(sock) else None
        except OSError:
            sock = None
        time.sleep(1)
    return 0


def reader(address, seconds):
    path = b"/v1/members" if address.startswith("/") else b"/metrics"
    fresh = set()

    def step(sock):
        if sock not in fresh:
            fresh.add(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            sock.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        return bool(sock.recv(1))

    return trickle(address, seconds, step)


def writer(address, seconds):
    text = b"POST /v1/drain HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n" + b"x" * 4000
    at = {}

    def step(sock):
        at[sock] = at.get(sock, -1) + 1
        return sock.send(text[at[sock]:at[sock] + 1]) == 1

    return trickle(address, seconds, step)


if __name__ == "__main__":
    _, to, what, *numbers = sys.argv
    sys.exit({"requests": requests, "idle": idle, "reader": reader, "writer": writer}[what](to, *map(int, numbers)))
