"""Counts the different results that each program gives for the same column; `run reproducibility` calls it.

The column is computed alone and as the last one of batches of up to 64, with one thread and with two, in a sequence of 32
steps and of 8. What the network reads for the first 8 steps is the same in all 64 runs. The result is the softmax output of
those steps, compared bit by bit.
"""

import sys
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
from measure import BUILD, inputs, machine, start, stop, versions
from peers import Case

PEERS = "elman", "onednn", "torch", "onnxruntime", "jax"
N_X, N_A, N_Y = 64, 256, 64
BATCHES = 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64
THREADS = 1, 2
STEPS = 32, 8


def outputs(server, arrays, column, scratch):
    """The bytes of the column's first steps for each size of the batch and length of the sequence."""
    *parameters, x = arrays
    source, result = scratch / "in", scratch / "out"
    found = {}
    for m in BATCHES:
        for t_x in STEPS:
            batch = x[:t_x, :m].copy()
            batch[:, m - 1] = column[:t_x]
            np.concatenate([a.ravel() for a in (*parameters, batch)]).tofile(source)
            result.unlink(missing_ok=True)
            if server.ask("load", "f32", "forward", t_x, m, N_X, N_A, N_Y, 1, 1, 0, source, result) != "ok":
                return {}
            y = np.fromfile(result, np.float32).reshape(t_x, m, N_Y)
            found[m, t_x] = y[: min(STEPS), m - 1].tobytes()
    return found


def main():
    case = Case(False, "float32", max(STEPS), max(BATCHES), N_X, N_A, N_Y)
    arrays = inputs(case)
    column = arrays[-1][:, 0].copy()
    found, used = {}, {}
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        for threads in THREADS:
            servers = start(PEERS, threads)
            used |= versions(servers)
            for server in servers:
                print(threads, server.name, file=sys.stderr)
                for (m, t_x), result in outputs(server, arrays, column, Path(scratch)).items():
                    found[server.name, m, threads, t_x] = result
            stop(servers)

    def different(name, batches=BATCHES, threads=THREADS, steps=STEPS):
        """The number of different results of these runs."""
        return len({found[name, m, n, t_x] for m in batches for n in threads for t_x in steps})

    def largest(name, **changes):
        """The largest number of different results while everything but one setting is the same."""
        fixed = [{"batches": [m], "threads": [n], "steps": [t]} for m in BATCHES for n in THREADS for t in STEPS]
        return max(different(name, **(settings | changes)) for settings in fixed)

    print(f"{machine()}; {date.today()}; f32, {max(STEPS)} steps, n_x = {N_X}, n_a = {N_A}, n_y = {N_Y}")
    print(", ".join(f"{name} {version}" for name, version in used.items()))
    print("| | batch of 1 to 64 | 1 or 2 threads | 8 steps or 32 | all runs |\n|---|---|---|---|---|")
    for name in dict.fromkeys(name for name, *_ in found):
        counts = largest(name, batches=BATCHES), largest(name, threads=THREADS), largest(name, steps=STEPS)
        print(f"| {name} |", " | ".join(map(str, (*counts, different(name)))), "|")


main()
