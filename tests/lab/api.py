#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds documents that tests/lab/api has gathered from live daemons against docs/openapi.yaml.

    tests/lab/api.py OPENAPI ROUTES COMMANDS ANSWERS

ROUTES: "METHOD /v1/path" a line, as the daemon serves them; COMMANDS: the names that `mlbctl help` lists; ANSWERS: a folder with
an index, a line for each answer, "KIND NAME FILE": KIND is `http` (NAME is METHOD:PATH:STATUS), `mlbctl` (a command, `_` for a
blank) or `text` (the same, for people). Prints a line for each thing that is wrong; exit status 0: nothing is.
"""
import copy
import json
import os
import re
import sys

import jsonschema
import yaml

COLUMNS = 100
ANSI = re.compile(r"\x1b\[[0-9;]*m")

faults = []
damaged = {}  # schema name: damaged documents of it that were refused
seen = set()  # (schema name, property) that a live document had


def fault(text):
    faults.append(text)
    print(f"     {text}")


class Spec:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.doc = yaml.safe_load(file)
        self.schemas = self.doc["components"]["schemas"]
        for name, schema in self.schemas.items():
            jsonschema.Draft202012Validator.check_schema(schema)
            if "properties" in schema and schema.get("additionalProperties") is not False:
                fault(f"schema {name} is open: additionalProperties is not false")

    def errors(self, name, document):
        root = {"$ref": f"#/components/schemas/{name}", "components": self.doc["components"]}
        return list(jsonschema.Draft202012Validator(root).iter_errors(document))

    def resolve(self, node):
        while "$ref" in node:
            target = self.doc
            for part in node["$ref"][2:].split("/"):
                target = target[part]
            node = target
        return node

    def answer_schema(self, method, path, status):
        """The name of the schema of an answer, or None where the file has none."""
        operation = self.doc["paths"].get(path, {}).get(method.lower())
        if operation is None:
            # A path that is not there, or the wrong method, is refused like anything else.
            return "Error" if status in ("404", "405") else None
        responses = operation["responses"]
        response = self.resolve(responses.get(status, responses["default"]))
        return response["content"]["application/json"]["schema"]["$ref"].split("/")[-1]


def name_of(node):
    return node["$ref"].split("/")[-1] if "$ref" in node else None


def spoil(spec, schema, document, where, name):
    """Yields (schema name, what was done, apply) for each way to damage the document; `apply` damages a copy of all of it."""
    name = name_of(schema) or name
    schema = spec.resolve(schema)
    if isinstance(document, dict):
        yield name, "an unknown key", lambda d: at(d, where).__setitem__("unknownKey", 1)
        for key in schema.get("required", []):
            yield name, f"no {key}", lambda d, key=key: at(d, where).pop(key)
        for key, value in document.items():
            sub = schema.get("properties", {}).get(key)
            if sub is None:
                continue
            seen.add((name, key))
            yield name, f"{key} of another type", lambda d, key=key: at(d, where).__setitem__(key, {"no": ["such", {}]})
            yield from spoil(spec, sub, value, where + [key], f"{name}.{key}")
    elif isinstance(document, list):
        yield name, "an object for an array", None
        for index, value in enumerate(document[:3]):
            yield from spoil(spec, schema["items"], value, where + [index], name)


def at(document, where):
    for step in where:
        document = document[step]
    return document


def judge(spec, name, document, what):
    for error in spec.errors(name, document)[:5]:
        fault(f"{what}: {name}: {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}")
    for part, how, damage in spoil(spec, {"$ref": f"#/components/schemas/{name}"}, document, [], name):
        if damage is None:
            broken = {"no": "array"}
        else:
            broken = copy.deepcopy(document)
            damage(broken)
        if spec.errors(name, broken):
            damaged[part] = damaged.get(part, 0) + 1
        else:
            fault(f"{what}: {part}: {how} is not noticed")


def judge_http(spec, name, text, done):
    method, path, status = name.split(":")
    schema = spec.answer_schema(method, path, status)
    if schema is None:
        fault(f"{name}: docs/openapi.yaml has no such answer")
        return
    done.add((method, path, status))
    judge(spec, schema, json.loads(text), name)


def judge_mlbctl(spec, command, text, done):
    shape = spec.doc["x-mlbctl"].get(command)
    if shape is None:
        fault(f"mlbctl {command}: docs/openapi.yaml has no such command")
        return
    done.add(command)
    if "document" in shape:
        judge(spec, shape["document"], json.loads(text), f"mlbctl {command}")
        return
    lines = text.splitlines()
    if not lines:
        fault(f"mlbctl {command}: no line")
    for line in lines:
        judge(spec, shape["lines"], json.loads(line), f"mlbctl {command}")


def judge_text(command, text):
    for line in text.splitlines():
        plain = ANSI.sub("", line)
        if len(plain) > COLUMNS:
            fault(f"mlbctl {command}: {len(plain)} columns: {plain}")


def judge_answers(spec, folder):
    requests, commands, texts = set(), set(), set()
    with open(os.path.join(folder, "index"), encoding="utf-8") as index:
        entries = [line.split() for line in index]
    for kind, name, file in entries:
        name = name.replace("_", " ")
        with open(os.path.join(folder, file), encoding="utf-8") as answer:
            text = answer.read()
        try:
            if kind == "http":
                judge_http(spec, name, text, requests)
            elif kind == "mlbctl":
                judge_mlbctl(spec, name, text, commands)
            else:
                texts.add(name)
                judge_text(name, text)
        except json.JSONDecodeError as error:
            fault(f"{kind} {name}: no JSON: {error}: {text[:80]!r}")
    return requests, commands, texts


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return {line.strip() for line in file if line.strip()}


def differ(what, ours, theirs, our_name, their_name):
    for item in sorted(ours - theirs):
        fault(f"{what} {item}: in {our_name}, not in {their_name}")
    for item in sorted(theirs - ours):
        fault(f"{what} {item}: in {their_name}, not in {our_name}")


def main(openapi, routes, commands, folder):
    spec = Spec(openapi)
    listed = {f"{method.upper()} {path}" for path, item in spec.doc["paths"].items() for method in item}
    differ("path", lines_of(routes), listed, "the daemon", "docs/openapi.yaml")
    shapes = set(spec.doc["x-mlbctl"])
    plain = {shape.split(" --")[0] for shape in shapes}
    differ("command", lines_of(commands) - {"help", "completion"}, plain, "mlbctl help", "docs/openapi.yaml")
    asked, ran, texts = judge_answers(spec, folder)
    good = {f"{method} {path}" for method, path, status in asked if status == "200"}
    differ("path", good, listed, "what answered 200", "docs/openapi.yaml")
    differ("command", ran, shapes, "what was run", "docs/openapi.yaml")
    for command in sorted(lines_of(commands) - {re.sub(" --.*", "", text) for text in texts}):
        fault(f"mlbctl {command}: its text was not looked at")
    for name, schema in spec.schemas.items():
        if "properties" not in schema or name.endswith("Request"):
            continue
        if not damaged.get(name):
            fault(f"schema {name}: no document of it was damaged and refused")
        missed = [key for key in schema["properties"] if (name, key) not in seen]
        if missed:
            print(f"     not seen live: {name}: {', '.join(missed)}")
    print(f"     {len(asked)} kinds of answers, {len(ran)} commands, {sum(damaged.values())} damaged documents refused")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
