"""Measures elman and its peers in turn and prints a line for each case; `run` calls it, see README.md.

Every program is a process, started once for each number of threads. It prints its version, and then
answers two requests of one line each:

    load DTYPE PASS T_x m n_x n_a n_y LAYERS DIRECTIONS RAGGED IN OUT
                      prepare, run once, write the result: ok | unsupported
    time SECONDS      run for this long: samples in milliseconds

Only one program computes at a time; the others wait for their next line.
"""

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
from peers import Case, batched

HERE = Path(__file__).parent
BUILD = Path(os.environ["ELMAN_PEERS"])
CORES = sorted(os.sched_getaffinity(0))

SIZES = {  # T_x, m, n_x, n_a, n_y
    "seed": (4, 10, 3, 5, 2),
    "small": (32, 16, 16, 64, 16),
    "charlm": (64, 32, 64, 256, 64),
    "medium": (100, 64, 128, 512, 128),
    "large": (64, 128, 512, 1024, 512),
    "stream": (1, 1, 64, 256, 64),
    "long": (2000, 1, 8, 64, 8),
    "deep": (64, 32, 64, 256, 64),
    "deep-both": (64, 32, 64, 256, 64),
    "ragged": (64, 32, 64, 256, 64),
}
SHAPES = {"deep": (3, 1, 0), "deep-both": (3, 2, 0), "ragged": (1, 1, 1)}  # layers, directions, ragged
DTYPES = {"f32": "float32", "f64": "float64"}
# The largest allowed error, relative to an array's largest element in double precision.
TOLERANCE = {"f32": 1e-4, "f64": 1e-10}

PYTHON = "jax", "torch", "onnxruntime", "numpy", "batched"
RUST = "ndarray", "rustyml", "burn"
PEERS = "onednn", *PYTHON, *RUST
# No peers: the crate, with dx and without, the lower bound, and the crate's layers one by one.
OWN = "elman", "without-dx", "peak", "layers"


class Server:
    def __init__(self, name, threads):
        self.name = name
        if name == "onednn":
            command = [BUILD / "onednn"]
        elif name in PYTHON:
            command = [sys.executable, HERE / "peers.py", name, str(threads)]
        else:
            command = [BUILD / "target/release/elman-peers", name]
        libraries = "OMP", "MKL", "OPENBLAS", "MATMUL", "RAYON"
        one = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        self.process = subprocess.Popen(
            command,
            env=os.environ
            | {f"{library}_NUM_THREADS": str(threads) for library in libraries}
            | {"XLA_FLAGS": one if threads == 1 else "", "JAX_PLATFORMS": "cpu"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.version = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise ChildProcessError(f"{self.name} ended with status {self.process.wait()}")
        return line.strip()

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        return self.answer()


def start(names, threads):
    """The programs that could be started, pinned to as many cores as threads."""
    os.sched_setaffinity(0, CORES[:threads])
    servers = []
    for name in names:
        try:
            servers.append(Server(name, threads))
        except (ChildProcessError, OSError) as error:
            print(f"left out: {error}", file=sys.stderr)
    return servers


def stop(servers):
    for server in servers:
        server.process.stdin.close()
        server.process.wait()


def inputs(case):
    """Weights of the usual scale and x, from one seed."""
    generator = np.random.default_rng(1)
    *parameters, x = case.shapes()
    arrays = [generator.uniform(-1, 1, shape) / np.sqrt(shape[-1]) for shape in parameters]
    return [a.astype(case.dtype) for a in (*arrays, generator.uniform(-1, 1, x))]


def check(name, case, path, expected):
    """Compares every element of a peer's result with NumPy in double precision."""
    found = np.fromfile(path, case.dtype)
    if found.shape != expected.shape:
        raise SystemExit(f"{name}: {found.size} numbers instead of {expected.size} for {case}")
    sizes = [1, *(np.prod(s) for s in case.shapes()[:-1])] if case.train else [found.size]
    ends = np.cumsum(sizes)[:-1]
    tolerance = TOLERANCE["f32" if case.dtype == "float32" else "f64"]
    for i, (f, e) in enumerate(zip(np.split(found, ends), np.split(expected, ends))):
        error = np.abs(f - e).max() / (np.abs(e).max() or 1)
        if not error <= tolerance:
            raise SystemExit(f"{name}: part {i} is off by {error:.1e} for {case}")


def measure(servers, size, dtype, what, rounds, seconds, scratch):
    """Samples of every program that can compute the case, one program after the other."""
    sizes = *SIZES[size], *SHAPES.get(size, (1, 1, 0))
    case = Case(what == "train", DTYPES[dtype], *sizes)
    arrays = inputs(case)
    source, result = scratch / "in", scratch / "out"
    np.concatenate([a.ravel() for a in arrays]).tofile(source)
    wide = Case(case.train, "float64", *sizes)
    run, expected = batched(wide, *(a.astype("float64") for a in arrays))
    run()

    samples = {}
    for server in servers:
        # A step is a forward pass of one step, except for elman, which has its own call for it.
        its = "forward" if what == "step" and server.name not in OWN else what
        result.unlink(missing_ok=True)
        if server.ask("load", dtype, its, *sizes, source, result) == "ok":
            samples[server.name] = []
            if server.name != "peak":
                check(server.name, case, result, expected())
    # Stopped, the other programs cannot disturb this one: some libraries' threads spin for a while after their work.
    for server in servers:
        server.process.send_signal(signal.SIGSTOP)
    for _ in range(rounds):
        for server in servers:
            if server.name in samples:
                server.process.send_signal(signal.SIGCONT)
                samples[server.name] += map(float, server.ask("time", seconds).split())
                server.process.send_signal(signal.SIGSTOP)
    for server in servers:
        server.process.send_signal(signal.SIGCONT)
    return samples


def line(key, medians):
    """One case in words: elman's time, the fastest peer's, their ratio, and elman's share of the peak."""
    threads, dtype, size, what = key
    peers = {name: value for name, value in medians.items() if name not in OWN}
    best, ours = min(peers, key=peers.get, default=None), medians.get("elman")
    text = f"{dtype}, {threads} thread{'s' * (threads > 1)}, {size} {what}:"
    if ours:
        text += f" elman {ours:.3g} ms, {medians['peak'] / ours:.0%} of peak"
    if best:
        text += f", {best} {peers[best]:.3g} ms"
    if best and ours:
        text += f", best / elman {peers[best] / ours:.2f}"
    if ours and "without-dx" in medians:
        text += f", without dx {medians['without-dx']:.3g} ms"
    if ours and "layers" in medians:
        text += f", elman / its layers {ours / medians['layers']:.3f}"
    return text


def versions(servers):
    """The versions that the running programs report; those of crates are from cargo."""
    manifest = HERE / "rust/Cargo.toml"
    tree = "cargo", "tree", "--depth=1", "--prefix=none", "--all-features", "--manifest-path"
    text = subprocess.run([*tree, manifest], capture_output=True, text=True, check=True).stdout
    crates = dict(re.findall(r"^(\S+) v(\S+)", text, re.M))
    found = {server.name: crates.get(server.name, server.version) for server in servers}
    return {name: version for name, version in found.items() if version != "-"}


def machine():
    english = os.environ | {"LC_ALL": "C"}
    text = subprocess.run(["lscpu"], capture_output=True, text=True, env=english).stdout
    fields = dict(re.findall(r"^\s*(.+?):\s+(.+)$", text, re.M))
    flags = fields.get("Flags", "").split()
    isa = [flag for flag in ("avx2", "fma", "avx512f") if flag in flags]
    model = fields.get("Model name", platform.processor())
    family = f"family {fields.get('CPU family')}, model {fields.get('Model')}"
    return f"{model} ({family}), {' '.join(isa)}, {len(CORES)} cores"


def main():
    parser = argparse.ArgumentParser(prog="run", description="Measures the time of elman and its peers.")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=[*SIZES], metavar="SIZE")
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=[*DTYPES])
    parser.add_argument("--pass", nargs="+", choices=("forward", "train", "step"), dest="passes")
    parser.add_argument("--threads", nargs="+", type=int, choices=(1, 2), default=[1, 2])
    parser.add_argument("--peers", nargs="*", choices=PEERS, metavar="PEER")
    parser.add_argument("--rounds", type=int, help="measurements of every program; default 7, quick 2")
    parser.add_argument("--seconds", type=float, help="seconds for one measurement; default 0.3, quick 0.05")
    parser.add_argument("--quick", action="store_true", help="a rough run, not a measurement")
    parser.add_argument("--with-burn", action="store_true", help="also build and measure burn")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all medians to FILE, for docs/benchmarks")
    options = parser.parse_args()
    rounds = options.rounds or (2 if options.quick else 7)
    seconds = options.seconds or (0.05 if options.quick else 0.3)
    passes = options.passes or ("forward", "train", "step")
    peers = [p for p in PEERS if p != "burn" or options.with_burn] if options.peers is None else options.peers

    results, used = {}, {}
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        for threads in options.threads:
            servers = start((*OWN, *peers), threads)
            used |= versions(servers)
            for dtype in options.dtype:
                for size in options.sizes:
                    for what in passes:
                        if what == "step" and size != "stream":
                            continue
                        key = threads, dtype, size, what
                        print(*key, file=sys.stderr)
                        taken = measure(servers, size, dtype, what, rounds, seconds, Path(scratch))
                        results[key] = taken
            stop(servers)

    medians = {
        key: {name: median(values) for name, values in taken.items()}
        for key, taken in results.items()
    }
    command = " ".join(["benches/peers/run", *sys.argv[1:]])
    print(f"{machine()}; {date.today()}; {rounds} rounds of {seconds} s, medians; {command}")
    print(", ".join(f"{name} {version}" for name, version in used.items()))
    for key, value in medians.items():
        print(line(key, value))

    if options.json:
        about = {"machine": machine(), "date": str(date.today()), "command": command}
        about |= {"rounds": rounds, "seconds": seconds, "versions": used}
        cases = [
            dict(zip(("threads", "dtype", "size", "pass"), key))
            | dict(zip(("layers", "directions", "ragged"), SHAPES.get(key[2], ())))
            | {"dims": SIZES[key[2]], "milliseconds": {name: float(f"{ms:.4g}") for name, ms in value.items()}}
            for key, value in medians.items()
        ]
        lines = ",\n".join(json.dumps(case) for case in cases)
        head = json.dumps(about, indent=1).removesuffix("\n}")
        options.json.write_text(f'{head},\n "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
