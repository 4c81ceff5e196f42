#!/usr/bin/env python3
"""Mutation tests of whole areas in minutes: all mutants are compiled into one program, and each run of it chooses one.

    pip install tree-sitter==0.26.1 tree-sitter-rust==0.24.2
    scripts/mutants_at_once.py loss init        all mutants of src/loss and src/init
    scripts/mutants_at_once.py io 3/20          a shard of an area: the fourth of twenty parts, which count from 0

`scripts/mutants` compiles each mutant on its own, in about 20 s. Here, cargo-mutants only lists the mutants. This script
writes each of them into the source, where it acts if the variable MUTANT has its number:

    a + b       (match crate::mutant::active() { 7 => { a - b } 8 => { a * b } _ => { a + b } })
    fn f() { …  fn f() { if crate::mutant::active() == 9 { return 0.0; } …

Mutants that do not compile are taken out again, by the lines of the compiler's errors. Mutants in constants, in `const fn`
and in chains of `let` cannot be chosen at run time: they are counted as left out, and `scripts/mutants` runs them.

Every mutant runs tests until the first one fails: the tests of its area, a few quick modules, and then all tests but for the
slow ones. After the last mutant of an area, the missed ones run the slow tests, too. The results are in
target/mutants/at-once/results.tsv.
It works on a clone of the last commit, and knows `.cargo/mutants.toml` as cargo-mutants does.
"""

import collections
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import tree_sitter
import tree_sitter_rust

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target/mutants/at-once"
TREE = WORK / "tree"
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
ACTIVE = b"crate::mutant::active()"
SWITCH = """use std::sync::LazyLock;
static ACTIVE: LazyLock<u32> = LazyLock::new(|| std::env::var("MUTANT").map_or(0, |number| number.parse().unwrap()));
pub(crate) fn active() -> u32 { *ACTIVE }
"""
# Quick tests that read most of the library. They run before the others.
QUICK = [
    "edges::", "errors::", "initial_state::", "naive::", "notebook::", "readings::", "sliding::", "stepper::", "the_digests_are",
    "the_least_memory",
]
# Seconds or minutes each.
SLOW = (ROOT / "scripts/slow-tests").read_text().split()


def is_constant_function(node):
    modifiers = [child.text for child in node.children if child.type == "function_modifiers"]
    return node.type == "function_item" and any(b"const" in text for text in modifiers)


class Source:
    """A file of Rust, and the mutants in it."""

    def __init__(self, path, text, mutants):
        self.path, self.text = path, text
        self.lines = text.split(b"\n")
        self.begin = [0]
        for line in self.lines:
            self.begin.append(self.begin[-1] + len(line) + 1)
        self.root = PARSER.parse(text).root_node
        self.mutants = mutants
        for mutant in mutants:
            mutant["from"], mutant["to"] = (self.offset(mutant["span"][end]) for end in ("start", "end"))

    def offset(self, place):
        line = self.lines[place["line"] - 1].decode()
        return self.begin[place["line"] - 1] + len(line[: place["column"] - 1].encode())

    def original(self, node):
        return self.text[node.start_byte : node.end_byte]

    def at(self, genre, start):
        return [m for m in self.alive if m["genre"] == genre and m["from"] == start]

    def with_mutants(self, alive):
        """The source with these mutants. Sets `placed`: the numbers of those that have a place."""
        self.alive = [mutant for mutant in self.mutants if mutant["number"] in alive]
        self.placed, self.written = set(), {}
        return self.write(self.root)

    def write(self, node):
        is_constant = node.type in ("const_item", "static_item", "array_type", "type_arguments") or is_constant_function(node)
        if is_constant or (node.type == "array_expression" and any(c.type == ";" for c in node.children)):
            return self.original(node)
        text, at = b"", node.start_byte
        for child in node.children:
            text += self.text[at : child.start_byte] + self.write(child)
            at = child.end_byte
        text += self.text[at : node.end_byte]
        text = self.mutated(node, text)
        self.written[node.id] = text
        return text

    def choose(self, choices, otherwise):
        """An expression that is one of several by the active mutant. The line of each begins with its number."""
        arms = b""
        for mutant, text in choices:
            self.placed.add(mutant["number"])
            arms += b"/*M%d*/ %d => { %s }\n" % (mutant["number"], mutant["number"], text)
        return b"(match " + ACTIVE + b" {\n" + arms + b"_ => { " + otherwise + b" } })" if arms else otherwise

    def mutated(self, node, text):
        """The text of a node, whose parts have their mutants already, with those of the node itself."""
        replacement = lambda mutant: mutant["replacement"].encode()
        if node.type in ("binary_expression", "compound_assignment_expr"):
            left, operator, right = (node.child_by_field_name(name) for name in ("left", "operator", "right"))
            parts = lambda mutant: b" ".join((self.original(left), replacement(mutant), self.original(right)))
            return self.choose([(m, parts(m)) for m in self.at("BinaryOperator", operator.start_byte)], text)
        if node.type == "unary_expression":
            operand = self.text[node.children[0].end_byte : node.end_byte]
            mutants = self.at("UnaryOperator", node.start_byte)
            return self.choose([(m, replacement(m) + operand) for m in mutants], text)
        if node.type == "struct_expression":
            choices = []
            for field in node.child_by_field_name("body").named_children:
                for mutant in self.at("StructField", field.start_byte):
                    rest = self.text[field.end_byte : node.end_byte].lstrip().removeprefix(b",")
                    choices.append((mutant, self.text[node.start_byte : field.start_byte] + rest))
            return self.choose(choices, text)
        if node.type == "function_item":
            return self.function(node, text)
        if node.type == "match_arm":
            return self.arm(node, text)
        return text

    def function(self, node, text):
        body = node.child_by_field_name("body")
        returns = b""
        for mutant in self.alive:
            is_here = mutant["genre"] == "FnValue" and self.offset(mutant["function"]["span"]["end"]) == node.end_byte
            if is_here and body.start_byte < mutant["from"]:
                self.placed.add(mutant["number"])
                returns += b"/*M%d*/ if %s == %d { return %s; }\n" % (
                    mutant["number"], ACTIVE, mutant["number"], mutant["replacement"].encode())
        inside = self.written[body.id]
        return text.removesuffix(inside) + b"{\n" + returns + inside[1:]

    def arm(self, node, text):
        pattern = node.child_by_field_name("pattern")
        guard = pattern.child_by_field_name("condition")
        deleted = self.at("MatchArm", node.start_byte)
        replaced = self.at("MatchArmGuard", guard.start_byte) if guard else []
        if not deleted and not replaced:
            return text
        has_let = guard is not None and guard.type in ("let_condition", "let_chain")
        condition = self.written[guard.id] if guard else b""
        if not has_let:
            condition = self.choose([(m, m["replacement"].encode()) for m in replaced], condition)
        for mutant in deleted:
            self.placed.add(mutant["number"])
            check = b"\n/*M%d*/ %s != %d\n" % (mutant["number"], ACTIVE, mutant["number"])
            rest = condition if has_let or not condition else b"(" + condition + b")"
            condition = check + (b"&& " + rest if rest else b"")
        if not condition:
            return text
        bare = self.text[pattern.start_byte : guard.start_byte if guard else pattern.end_byte]
        bare = re.sub(rb"\bif\s*$", b"", bare)
        before = self.text[node.start_byte : pattern.start_byte]
        after = text[len(before) + len(self.written[pattern.id]) :]
        return before + bare + b" if " + condition + b" " + after.lstrip()


def list_mutants(areas):
    files = [option for area in areas for option in ("--file", f"src/{area}.rs", "--file", f"src/{area}/**")]
    listed = subprocess.run(["cargo", "mutants", "--list", "--json", *files], cwd=ROOT, check=True, capture_output=True)
    mutants = json.loads(listed.stdout)
    for number, mutant in enumerate(mutants, 1):
        mutant["number"] = number
    return mutants


def prepare():
    """A clone of the last commit without lints, with the switch."""
    if TREE.exists():
        subprocess.run("git fetch -q origin HEAD && git reset -q --hard FETCH_HEAD", shell=True, cwd=TREE, check=True)
    else:
        subprocess.run(["git", "clone", "-q", ROOT, TREE], check=True)
    manifest = TREE / "Cargo.toml"
    text = re.sub(r"\[lints.*?(?=\[profile\.release\])", "", manifest.read_text(), flags=re.S)
    manifest.write_text(text.replace("[profile.test]", "[profile.test.package.elman]\nopt-level = 1\n[profile.test]"))
    library = TREE / "src/lib.rs"
    library.write_text(library.read_text().replace("\npub mod batches;", "\nmod mutant;\npub mod batches;"))
    (TREE / "src/mutant.rs").write_text(SWITCH)


def cargo(*arguments):
    target = os.environ.get("CARGO_TARGET_DIR", str(WORK / "target"))
    environment = dict(os.environ, CARGO_TARGET_DIR=target, CARGO_INCREMENTAL="0")
    command = ["cargo", *arguments, "--all-features", "--message-format", "json", "--quiet"]
    done = subprocess.run(command, cwd=TREE, env=environment, capture_output=True, text=True)
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return done.returncode == 0, messages


def refused(messages, line_of):
    """The mutants that compiler errors point to."""
    found = set()
    for message in messages:
        if message["reason"] != "compiler-message" or message["message"]["level"] != "error":
            continue
        spans = [span for span in message["message"]["spans"] if span["file_name"] in line_of]
        lines = lambda span: range(span["line_start"], span["line_end"] + 1)
        at = lambda spans: {line_of[s["file_name"]][n] for s in spans for n in lines(s) if n in line_of[s["file_name"]]}
        primary = [span for span in spans if span["is_primary"]]
        here = at([span for span in primary if span["line_start"] == span["line_end"]]) or at(spans)
        for span in primary if not here else []:
            # The last mutant before the error.
            before = [n for n in line_of[span["file_name"]] if n <= span["line_start"]]
            here |= {line_of[span["file_name"]][max(before)]} if before else set()
        found |= here
    return found


def compile_all(mutants):
    """Returns the programs of the unit tests and of the tests, and the numbers of the mutants that do not compile and of those
    without a place."""
    by_file = collections.defaultdict(list)
    for mutant in mutants:
        by_file[mutant["file"]].append(mutant)
    sources = [Source(path, (TREE / path).read_bytes(), of_file) for path, of_file in by_file.items()]
    alive, unviable, left_out = {mutant["number"] for mutant in mutants}, set(), set()
    while True:
        line_of = {}
        for source in sources:
            text = source.with_mutants(alive)
            (TREE / source.path).write_bytes(text)
            marks = ((n, re.match(rb"\s*/\*M(\d+)\*/", line)) for n, line in enumerate(text.split(b"\n"), 1))
            line_of[source.path] = {n: int(mark[1]) for n, mark in marks if mark}
        placed = set().union(*(source.placed for source in sources))
        left_out |= alive - placed
        alive &= placed
        compiles, messages = cargo("check", "--lib", "--profile", "test")
        if compiles:
            break
        dropped = refused(messages, line_of) & alive
        if not dropped:
            errors = [m["message"] for m in messages if "message" in m and m["message"]["level"] == "error"]
            rendered = "\n".join(error["rendered"] for error in errors)
            sys.exit("an error without a mutant:\n" + rendered)
        unviable |= dropped
        alive -= dropped
    compiles, messages = cargo("test", "--no-run", "--lib", "--test", "it")
    if not compiles:
        sys.exit("the tests do not compile")
    artifacts = [message for message in messages if message["reason"] == "compiler-artifact" and message["executable"]]
    programs = {artifact["target"]["name"]: artifact["executable"] for artifact in artifacts}
    return (programs["elman"], programs["it"]), unviable, left_out


def run(program, number, filters, seconds):
    """Runs tests with a mutant until the first one fails. Returns the result, that test and the processor's seconds."""

    def limits():
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before, failed = spent(), None
    environment = dict(os.environ, MUTANT=str(number), RUST_BACKTRACE="0")
    process = subprocess.Popen([program, *filters], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               preexec_fn=limits, env=environment, cwd=TREE)
    # Processor time does not pass in a deadlock.
    timer = threading.Timer(4 * seconds, os.killpg, (process.pid, signal.SIGKILL))
    timer.start()
    for line in process.stdout:
        if match := re.match(r"test (\S+) .*FAILED$", line):
            failed = match[1]
            os.killpg(process.pid, signal.SIGKILL)
            break
    process.stdout.close()
    code = process.wait()
    timer.cancel()
    used = spent() - before
    if failed or code > 0 or code in (-signal.SIGABRT, -signal.SIGSEGV):
        return "caught", failed or f"exit code {code}", used
    return ("missed" if code == 0 else "time-out"), "", used


def run_all(runs, number):
    """Runs programs, each with its filters and its processor's seconds, until the first failed test."""
    for program, filters, seconds in runs:
        result, test, _ = run(program, number, filters, seconds)
        if result != "missed":
            break
    return result, test


def with_limits(runs):
    """The runs, each with a limit of time, which depends on the time without a mutant."""
    limited = []
    for program, filters in runs:
        result, test, used = run(program, 0, filters, 3600)
        assert result == "missed", f"without a mutant: {result} {test}"
        limited.append((program, filters, int(3 * used + 10)))
    return limited


def main():
    areas, shard = sys.argv[1:], (0, 1)
    if areas and "/" in areas[-1]:
        shard = tuple(map(int, areas.pop().split("/")))
    if not areas:
        sys.exit(__doc__)
    mutants = list_mutants(areas)
    prepare()
    (units, tests), unviable, left_out = compile_all(mutants)
    fast = [option for name in SLOW for option in ("--skip", name)]
    quick, slow = with_limits([(tests, QUICK), (units, fast), (tests, fast)]), []
    with open(WORK / "results.tsv", "a") as results:
        for area in areas:
            counts = collections.Counter()

            def note(result, test, mutant):
                counts[result] += 1
                print(area, result, test, mutant["name"], sep="\t", file=results, flush=True)
                if result in ("missed", "time-out"):
                    print(f"{result}: {mutant['name']}", flush=True)

            ours = [m for m in mutants if re.match(rf"src/{area}(\.rs|/)", m["file"])]
            runs = with_limits([(program, [f"{area}::", *fast]) for program in (units, tests)]) + quick
            missed = []
            for index, mutant in enumerate(ours):
                result, test = ("does not compile" if mutant["number"] in unviable else "left out"), ""
                if mutant["number"] not in unviable | left_out:
                    if index % shard[1] != shard[0]:
                        continue
                    result, test = run_all(runs, mutant["number"])
                    if result == "missed":
                        print(f"missed by quick tests: {mutant['name']}", flush=True)
                        missed.append(mutant)
                        continue
                note(result, test, mutant)
            if missed:
                slow = slow or with_limits([(units, SLOW), (tests, SLOW)])
            for mutant in missed:
                note(*run_all(slow, mutant["number"]), mutant)
            print(f"{area}: {len(ours)} mutants, {dict(counts)}", flush=True)


main()
