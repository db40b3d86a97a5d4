#!/usr/bin/env python3
"""Replays beside what they replay: torch_cpu and torch's own fills, one thread, the same rounds.

    bench/replay.py [--programs build/release/bin] [--mebibytes 256] [--rounds 5]
"""

import argparse
import pathlib

import torch

from engine import Worker, on_threads, trunc_normal
from measure import Case, Ratio, machine, markdown, rates_table, ratios_table, run_rounds

MIB = 2**20


def cases_and_ratios(programs, mebibytes):
    """The worker to close, cases, ratios with their floors."""
    worker = Worker(programs / "replay_worker")
    size = mebibytes * MIB
    elements = size // 4
    tensor, narrow = torch.empty(elements), torch.empty(elements, dtype=torch.bfloat16)

    def own(name, line, made=size):
        return Case(name, lambda: worker.run(line), made)

    fill = lambda generator, init, dtype="FLOAT32", threads=1: f"fill {generator} {init} {dtype} {elements} {threads}"
    cases = [
        own("torch_cpu uniform", fill("torch_cpu", "uniform(low=-0.37,high=0.37)")),
        own("torch_cpu normal", fill("torch_cpu", "normal(std=0.02)")),
        own("torch_cpu uniform, 2 threads", fill("torch_cpu", "uniform(low=-0.37,high=0.37)", threads=2)),
        own("torch_cpu normal, 2 threads", fill("torch_cpu", "normal(std=0.02)", threads=2)),
        own("torch_cpu normal BFLOAT16", fill("torch_cpu", "normal(std=0.02)", "BFLOAT16"), size // 2),
        own("torch_cpu truncated_normal", fill("torch_cpu", "truncated_normal")),
        own("torch_cpu normal, a second slice of 1 MiB at the end", f"slice torch_cpu normal FLOAT32 {elements} {MIB // 4}", MIB),
        own("philox_v1 uniform", fill("philox_v1", "uniform(low=-0.37,high=0.37)")),
        own("philox_v1 normal", fill("philox_v1", "normal(std=0.02)")),
        Case("torch uniform_", on_threads(1, lambda: tensor.uniform_(-0.37, 0.37)), size),
        Case("torch normal_", on_threads(1, lambda: tensor.normal_(0, 0.02)), size),
        Case("torch normal_ bfloat16", on_threads(1, lambda: narrow.normal_(0, 0.02)), size // 2),
        Case("torch trunc_normal_", on_threads(1, lambda: trunc_normal(tensor)), size),
    ]
    ratios = [
        Ratio("torch_cpu uniform / torch uniform_", "torch_cpu uniform", "torch uniform_", 6),
        Ratio("torch_cpu normal / torch normal_", "torch_cpu normal", "torch normal_", 2.5),
        Ratio("torch_cpu normal BFLOAT16 / torch normal_ bfloat16", "torch_cpu normal BFLOAT16", "torch normal_ bfloat16"),
        Ratio("torch_cpu truncated_normal / torch trunc_normal_", "torch_cpu truncated_normal", "torch trunc_normal_"),
        Ratio("torch_cpu uniform, 2 threads / 1", "torch_cpu uniform, 2 threads", "torch_cpu uniform"),
        Ratio("torch_cpu normal, 2 threads / 1", "torch_cpu normal, 2 threads", "torch_cpu normal"),
        Ratio("torch_cpu uniform / philox_v1 uniform", "torch_cpu uniform", "philox_v1 uniform"),
        Ratio("torch_cpu normal / philox_v1 normal", "torch_cpu normal", "philox_v1 normal"),
    ]
    return worker, cases, ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default="build/release/bin", type=pathlib.Path)
    parser.add_argument("--mebibytes", default=256, type=int)
    parser.add_argument("--rounds", default=5, type=int)
    options = parser.parse_args()
    worker, cases, ratios = cases_and_ratios(options.programs, options.mebibytes)
    times = run_rounds(cases, options.rounds)
    worker.close()
    print("\n".join([*machine(), f"torch {torch.__version__}, {worker.target}", ""]))
    print(markdown(rates_table(cases, times)), "\n", markdown(ratios_table(ratios, cases, times)), sep="\n")


if __name__ == "__main__":
    main()
