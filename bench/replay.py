"""Replays beside what they replay, on one thread: torch_cpu and torch's own fills; jax_threefry and the native generator."""

import torch

from engine import MIB, Worker, on_threads, trunc_normal
from measure import Case, Figure, Ratio

JAX_FLOOR = 1.6  # GB/s: 0.4 G elements/s


def cases_and_ratios(program, mebibytes):
    """The worker to close, cases, figures with their floors."""
    worker = Worker(program)
    size = mebibytes * MIB
    elements = size // 4
    tensor, narrow = torch.empty(elements), torch.empty(elements, dtype=torch.bfloat16)

    def own(name, line, made=size):
        return Case(name, lambda: worker.run(line), made)

    fill = lambda generator, init, dtype="FLOAT32", threads=1: f"fill {generator} {init} {dtype} {elements} {threads}"
    uniform, normal = "uniform(low=-0.37,high=0.37)", "normal(std=0.02)"
    cases = [
        own("torch_cpu uniform", fill("torch_cpu", uniform)),
        own("torch_cpu normal", fill("torch_cpu", normal)),
        own("torch_cpu uniform, 2 threads", fill("torch_cpu", uniform, threads=2)),
        own("torch_cpu normal, 2 threads", fill("torch_cpu", normal, threads=2)),
        own("torch_cpu normal BFLOAT16", fill("torch_cpu", normal, "BFLOAT16"), size // 2),
        own("torch_cpu truncated_normal", fill("torch_cpu", "truncated_normal")),
        own("torch_cpu normal, a second slice of 1 MiB at the end", f"slice torch_cpu normal FLOAT32 {elements} {MIB // 4}", MIB),
        own("jax_threefry uniform", fill("jax_threefry", uniform)),
        own("jax_threefry normal", fill("jax_threefry", normal)),
        own("philox_v1 uniform", fill("philox_v1", uniform)),
        own("philox_v1 normal", fill("philox_v1", normal)),
        Case("torch uniform_", on_threads(1, lambda: tensor.uniform_(-0.37, 0.37)), size),
        Case("torch normal_", on_threads(1, lambda: tensor.normal_(0, 0.02)), size),
        Case("torch normal_ bfloat16", on_threads(1, lambda: narrow.normal_(0, 0.02)), size // 2),
        Case("torch trunc_normal_", on_threads(1, lambda: trunc_normal(tensor)), size),
    ]
    figures = [
        Ratio("torch_cpu uniform / torch uniform_", "torch_cpu uniform", "torch uniform_", 6),
        Ratio("torch_cpu normal / torch normal_", "torch_cpu normal", "torch normal_", 2.5),
        Ratio("torch_cpu normal BFLOAT16 / torch normal_ bfloat16", "torch_cpu normal BFLOAT16", "torch normal_ bfloat16"),
        Ratio("torch_cpu truncated_normal / torch trunc_normal_", "torch_cpu truncated_normal", "torch trunc_normal_"),
        Ratio("torch_cpu uniform, 2 threads / 1", "torch_cpu uniform, 2 threads", "torch_cpu uniform"),
        Ratio("torch_cpu normal, 2 threads / 1", "torch_cpu normal, 2 threads", "torch_cpu normal"),
        Figure("jax_threefry uniform, GB/s", ["jax_threefry uniform"], lambda run: run.rate / 1e9, JAX_FLOOR),
        Ratio("jax_threefry uniform / philox_v1 uniform", "jax_threefry uniform", "philox_v1 uniform"),
        Ratio("jax_threefry normal / philox_v1 normal", "jax_threefry normal", "philox_v1 normal"),
        Ratio("torch_cpu uniform / philox_v1 uniform", "torch_cpu uniform", "philox_v1 uniform"),
        Ratio("torch_cpu normal / philox_v1 normal", "torch_cpu normal", "philox_v1 normal"),
    ]
    return worker, cases, figures
