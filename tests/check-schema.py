#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is deploy/mlbd.schema.json what mlbd reads?

    tests/check-schema.py MLBD

Each mapping of the schema is held against what the parser says that it knows there; the same files are good for both, and
the same are bad. Prints a line for each thing that is wrong and one with the counts; exit status 0: nothing is.
"""
import copy
import json
import os
import re
import subprocess
import sys
import tempfile

import jsonschema
import yaml

SCHEMA = "deploy/mlbd.schema.json"
STRANGE = "qqqqqqqq"  # no key is like it, so that the parser lists all that it knows
OPEN = {"gossip": {"insecure": True}}

counts = {"passed": 0, "failed": 0}


def judge(good, what):
    counts["passed" if good else "failed"] += 1
    if not good:
        print(f"FAIL schema: {what}")


class Parser:
    """mlbd --check, on a file of its own."""

    def __init__(self, mlbd, folder):
        self.mlbd = mlbd
        self.path = os.path.join(folder, "mlbd.yaml")

    def errors(self, text):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)
        run = subprocess.run([self.mlbd, "--check", self.path], capture_output=True, text=True, check=False)
        if run.returncode not in (0, 2):
            raise RuntimeError(f"mlbd --check: exit status {run.returncode}: {run.stderr}")
        return [] if run.returncode == 0 else run.stderr.splitlines()

    def known(self, document, where):
        """The keys that it knows in that mapping of the document."""
        document = copy.deepcopy(document)
        at = document
        for step in where:
            at = at[step]
        at[STRANGE] = 1
        for line in self.errors(yaml.safe_dump(document)):
            found = re.search(STRANGE + r": unknown key: known here are (.*)", line)
            if found:
                return set(found.group(1).split(", "))
        return None


def resolve(schema, node):
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node


def mappings(schema, node, document, where):
    """Yields (document, place, schema) for each closed mapping, in a document that has it."""
    node = resolve(schema, node)
    if "properties" in node and node.get("additionalProperties") is False:
        yield document, where, node
        for key, value in node["properties"].items():
            yield from below(schema, value, document, where, key)


def below(schema, value, document, where, key):
    value = resolve(schema, value)
    inner = copy.deepcopy(document)
    at = inner
    for step in where:
        at = at[step]
    if "properties" in value:
        at.setdefault(key, {})
        yield from mappings(schema, value, inner, where + [key])
    elif "items" in value and "properties" in resolve(schema, value["items"]):
        at[key] = [{}]
        yield from mappings(schema, value["items"], inner, where + [key, 0])


def described(schema, node, where):
    for key, value in node.get("properties", {}).items():
        judge("description" in value, f"{where}{key}: no description")
        described(schema, resolve(schema, value), f"{where}{key}.")
        described(schema, resolve(schema, resolve(schema, value).get("items", {})), f"{where}{key}.")


def examples():
    """YAML of the documents that is a configuration, and the example file."""
    with open("deploy/mlbd.yaml", encoding="utf-8") as file:
        yield "deploy/mlbd.yaml", file.read()
    with open("man/mlbd.yaml.5", encoding="utf-8") as file:
        for block in re.findall(r"\.Bd -literal[^\n]*\n(.*?)\.Ed", file.read(), re.S):
            yield "man/mlbd.yaml.5", block
    for name in sorted(os.listdir("docs")):
        if not name.endswith(".md"):
            continue
        with open(os.path.join("docs", name), encoding="utf-8") as file:
            for block in re.findall(r"^```yaml\n(.*?)^```", file.read(), re.S | re.M):
                yield "docs/" + name, block


def usable(text):
    """As a whole configuration without files of other hosts; None: it is about something else."""
    text = re.sub(r"^( *)keyFile: .*", r"\1insecure: true", text, flags=re.M)
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    if not isinstance(document, dict) or "apiVersion" in document or not document.keys() & {"gossip", "services"}:
        return None
    for service in document.get("services") or []:
        if service.get("check", {}).get("command"):
            service["check"]["command"] = ["/bin/true"]
    document.setdefault("gossip", {"insecure": True})
    document["gossip"].setdefault("insecure", True)
    return document


SERVICE = {"name": "web", "addresses": ["10.0.0.1"]}
GOOD = [
    {},
    {"services": None, "node": None, "control": None},
    {"node": {"name": "n1", "labels": {"a/b": "c"}, "weight": 5}},
    {"gossip": {"insecure": True, "bind": ["10.0.0.1", "eth0"], "join": ["10.0.0.1:1", "[fd00::3]:2", "fd00::4"], "packetSize": 800,
                "profile": "wan", "timers": {"suspicion": "7s"}, "witness": "gateway", "port": 1}},
    {"services": [SERVICE | {"claim": "none", "priority": 100, "spread": True, "apart": "x", "interfaces": ["eth0"],
                             "nodeSelectors": [{"matchLabels": {"a": "b"}},
                                               {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}],
                             "preferences": [{"weight": 1, "matchLabels": {"a": "b"}}],
                             "check": {"tcp": {"address": "127.0.0.1:80"}, "interval": "2s", "timeout": "1s", "rise": 1, "fall": 1}}]},
    {"services": [SERVICE | {"check": {"http": {"url": "http://127.0.0.1/", "status": [200, 204], "insecure": False}}}]},
    {"services": [SERVICE | {"check": {"command": ["/bin/true", "x"], "user": "nobody"}}]},
    {"services": [SERVICE, {"name": "b", "addresses": ["fd00::1"], "antiAffinity": ["web"], "group": "g"}]},
    {"pools": [{"name": "p", "addresses": ["10.0.1.0/24", "fd00::1-fd00::9"], "autoAssign": False, "avoidBuggyIPs": True}],
     "poolState": "/tmp/x", "services": [{"name": "a", "pool": "p", "ipFamilies": ["IPv6"]}]},
    {"placement": {"rebalance": "onJoin", "delay": "1s", "rate": 1}, "partition": "safe"},
    {"fencing": {"gate": "required", "guard": True, "hang": "200ms"}},
    {"conflict": {"defend": "yield", "holdDown": False, "probeBeforeFirstClaim": True, "selfProbe": "10s"}},
    {"control": {"socket": "/tmp/s", "listen": "[::1]:7472"}, "log": {"level": "debug", "format": "json"}},
    {"kubernetes": {"kubeconfig": "/tmp/k", "context": "c", "namespace": "n", "claim": "route", "unreadyAfter": "1m"}},
    {"process": {"realtimePriority": 0, "lockMemory": False}},
]
BAD = [
    {"nothing": 1},
    {"gossip": {"insecure": "yes"}},
    {"gossip": {"insecure": True, "port": 0}},
    {"gossip": {"insecure": True, "port": 65536}},
    {"gossip": {"insecure": True, "join": "10.0.0.1"}},
    {"gossip": {"insecure": True, "join": ["host"]}},
    {"gossip": {"insecure": True, "profile": "slow"}},
    {"gossip": {"insecure": True, "timers": {"silence": "5"}}},
    {"gossip": {"insecure": True, "timers": {"quiet": "5s"}}},
    {"gossip": {"insecure": True, "packetSize": 799}},
    {"gossip": {"insecure": True, "bind": []}},
    {"node": {"name": "a b"}},
    {"node": {"name": "x" * 64}},
    {"node": {"weight": 0}},
    {"node": {"labels": {"a": "b c"}}},
    {"node": ["a"]},
    {"services": {}},
    {"services": [{"name": "a"}]},
    {"services": [{"addresses": ["10.0.0.1"]}]},
    {"services": [SERVICE | {"addresses": []}]},
    {"services": [SERVICE | {"addresses": ["10.0.0.1/24"]}]},
    {"services": [SERVICE | {"addresses": "10.0.0.1"}]},
    {"services": [SERVICE | {"pool": "p"}]},
    {"services": [SERVICE | {"claim": "arp"}]},
    {"services": [SERVICE | {"priority": 101}]},
    {"services": [SERVICE | {"spread": "yes"}]},
    {"services": [SERVICE | {"interfaces": ["eth0", "eth0"]}]},
    {"services": [SERVICE | {"interfaces": ["a-name-too-long-for-one"]}]},
    {"services": [SERVICE | {"preferences": [{"weight": 1}]}]},
    {"services": [SERVICE | {"nodeSelectors": [{"matchExpressions": [{"key": "a", "operator": "Is"}]}]}]},
    {"services": [SERVICE | {"preferences": [{"matchLabels": {"a": "b"}}]}]},
    {"services": [SERVICE | {"preferences": [{"weight": 101, "matchLabels": {"a": "b"}}]}]},
    {"services": [SERVICE | {"check": {}}]},
    {"services": [SERVICE | {"check": {"tcp": {}}}]},
    {"services": [SERVICE | {"check": {"tcp": {"address": "127.0.0.1:80"}, "command": ["/bin/true"]}}]},
    {"services": [SERVICE | {"check": {"tcp": {"address": "127.0.0.1:80"}, "rise": 0}}]},
    {"services": [SERVICE | {"check": {"http": {"url": "ftp://127.0.0.1/"}}}]},
    {"services": [SERVICE | {"check": {"http": {"url": "http://127.0.0.1/", "status": [200]}}}]},
    {"pools": [{"name": "p"}]},
    {"pools": [{"name": "p", "addresses": []}]},
    {"pools": [{"name": "p", "addresses": ["10.0.0.1"]}]},
    {"pools": [{"name": "p", "addresses": ["10.0.1.0/24"], "autoAssign": 1}]},
    {"pools": [{"name": "p/q", "addresses": ["10.0.1.0/24"]}]},
    {"poolState": "pools"},
    {"pools": [{"name": "p", "addresses": ["10.0.1.0/24"]}], "services": [{"name": "a", "pool": "p", "ipFamilies": ["IPv5"]}]},
    {"pools": [{"name": "p", "addresses": ["10.0.1.0/24"]}], "services": [{"name": "a", "pool": "p", "ipFamilies": ["IPv4", "IPv4"]}]},
    {"placement": {"rebalance": "always"}},
    {"placement": {"rate": 1001}},
    {"partition": "both"},
    {"fencing": {"gate": True}},
    {"fencing": {"hang": 2}},
    {"fencing": {"guardSocket": "guard.sock"}},
    {"conflict": {"defend": "never"}},
    {"control": {"listen": "127.0.0.1"}},
    {"kubernetes": {"claim": "bind"}},
    {"kubernetes": {"kubeconfig": "here"}},
    {"kubernetes": {"lbClass": "x"}},
    {"process": {"realtimePriority": 100}},
    {"log": {"level": "loud"}},
]


def main(mlbd):
    with open(SCHEMA, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    with tempfile.TemporaryDirectory() as folder:
        parser = Parser(mlbd, folder)
        for document, where, node in mappings(schema, schema, OPEN, []):
            known = parser.known(document, where)
            what = "/".join(map(str, where)) or "the file"
            judge(known is not None and known == set(node["properties"]),
                  f"{what}: mlbd knows {sorted(known or [])}, the schema {sorted(node['properties'])}")
        described(schema, schema, "")
        files = [(name, document) for name, text in examples() if (document := usable(text))]
        judge(len(files) >= 5, f"only {len(files)} examples in the documents")
        for name, document in files + [("a good one", OPEN | more) for more in GOOD]:
            refused = parser.errors(yaml.safe_dump(document))
            judge(not refused, f"{name}: mlbd refuses {document}: {refused[:2]}")
            refused = [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(document)]
            judge(not refused, f"{name}: the schema refuses {document}: {refused[:2]}")
        for document in (OPEN | more for more in BAD):
            judge(parser.errors(yaml.safe_dump(document)), f"mlbd takes {document}")
            judge(not validator.is_valid(document), f"the schema takes {document}")
    print(f"schema: {counts['passed']} passed, {counts['failed']} failed, 0 skipped")
    return 1 if counts["failed"] else 0


sys.exit(main(sys.argv[1]))
