"""The engine against memory, the standard library, NumPy and torch."""

import os
import subprocess

import numpy
import torch

from measure import Case, Ratio, Time, timed

MIB = 2**20


class Worker:
    """engine_worker, which runs cases in a process of its own."""

    def __init__(self, program, simd=""):
        environment = dict(os.environ, WEIGHTINIT_SIMD=simd)
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.target = self.process.stdout.readline().split()[1]
        if simd and self.target != simd:
            raise SystemExit(f"this processor cannot run {simd}")

    def run(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer or answer.startswith("error"):
            raise SystemExit(f"{line}: {answer or 'the worker has died'}")
        return Time(*map(float, answer.split()))

    def case(self, name, line, size=0, **options):
        return Case(f"{name}, {self.target}", lambda: self.run(line), size, **options)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def trunc_normal(tensor):
    torch.nn.init.trunc_normal_(tensor)


def on_threads(count, function):
    def run():
        torch.set_num_threads(count)
        function()

    return timed(run)


def cases_and_ratios(program, simd, mebibytes):
    """For one instruction set (empty: the best). The floors for AVX2 are in second place."""
    worker = Worker(program, simd)
    target, size = worker.target, mebibytes * MIB
    second = target != "avx512"
    floor = lambda best, other: other if second else best
    tensor = torch.empty(size // 4)
    array = numpy.empty(size // 4, dtype=numpy.float32)
    generators = {"SFC64": numpy.random.Generator(numpy.random.SFC64(1)), "Philox": numpy.random.Generator(numpy.random.Philox(1))}

    def fill(initializer, dtype, threads):
        element = {"FLOAT32": 4, "BFLOAT16": 2, "FLOAT16": 2, "FLOAT8_E4M3FN": 1}[dtype]
        return worker.case(f"{initializer} {dtype}, {threads} thread{'s' * (threads > 1)}",
                           f"fill {initializer} {dtype} {size // 4} {threads}", size * element // 4)

    cases = [
        worker.case("streaming store", f"store {size}", size),
        worker.case("memset", f"memset {size}", size),
        worker.case("memcpy", f"memcpy {size}", size),
        worker.case("Philox words", f"words {size}", size),
        *(fill(initializer, "FLOAT32", threads) for threads in (1, 2) for initializer in ("uniform", "normal", "truncated_normal")),
        *(fill(initializer, dtype, 1) for dtype in ("BFLOAT16", "FLOAT16", "FLOAT8_E4M3FN")
          for initializer in ("uniform", "normal", "truncated_normal")),
        worker.case("normal FLOAT32 digest, 1 thread", f"digest normal FLOAT32 {size // 4} 1", size),
        *(Case(f"torch {name}, {target} beside, {threads} thread{'s' * (threads > 1)}", on_threads(threads, function), size)
          for threads in (1, 2) for name, function in (("uniform_", tensor.uniform_), ("normal_", tensor.normal_),
                                                       ("trunc_normal_", lambda: trunc_normal(tensor)))),
    ]
    if not second:
        cases += [
            worker.case("std::mt19937 uniform_real_distribution", f"mt19937_uniform {size}", size),
            worker.case("std::mt19937 normal_distribution", f"mt19937_normal {size}", size),
            *(Case(f"NumPy {name} {method}", timed(lambda g=g, method=method: getattr(g, method)(out=array, dtype=numpy.float32)),
                   size) for name, g in generators.items() for method in ("random", "standard_normal")),
        ]
    for rows in (1024, 2048):
        matrix = torch.empty(rows, rows)
        for threads in (1, 2):
            suffix = f"{rows}², {threads} thread{'s' * (threads > 1)}"
            cases.append(worker.case(f"orthogonal {suffix}", f"matrix {rows} {threads}"))
            cases.append(Case(f"torch orthogonal_ {suffix}, {target} beside",
                              on_threads(threads, lambda matrix=matrix: torch.nn.init.orthogonal_(matrix))))

    own = lambda name: f"{name}, {target}"
    peer = lambda name, threads=1: f"torch {name}, {target} beside, {threads} thread{'s' * (threads > 1)}"
    one = lambda name: own(f"{name}, 1 thread")
    ratios = [
        Ratio("uniform FLOAT32 / torch uniform_", one("uniform FLOAT32"), peer("uniform_"), floor(6.5, 4.5), 9),
        Ratio("normal FLOAT32 / torch normal_", one("normal FLOAT32"), peer("normal_"), floor(4.2, 2.6), 6),
        Ratio("truncated_normal FLOAT32 / torch trunc_normal_", one("truncated_normal FLOAT32"), peer("trunc_normal_"),
              floor(25, 15), 35),
        Ratio("Philox words / streaming store", own("Philox words"), own("streaming store"), *(() if second else (0.40, 0.48))),
        Ratio("uniform FLOAT32 / Philox words", one("uniform FLOAT32"), own("Philox words"), *(() if second else (0.85, 0.95))),
        Ratio("normal FLOAT32 / Philox words", one("normal FLOAT32"), own("Philox words"), *(() if second else (0.42, 0.55))),
        *(Ratio(f"{name} {dtype} / FLOAT32, elements", one(f"{name} {dtype}"), one(f"{name} FLOAT32"),
                *((0.85, 1.0) if dtype == "BFLOAT16" and name != "truncated_normal" else ()), element_bytes=(size_of, 4))
          for dtype, size_of in (("BFLOAT16", 2), ("FLOAT16", 2), ("FLOAT8_E4M3FN", 1))
          for name in ("uniform", "normal", "truncated_normal")),
        Ratio("normal FLOAT32 digested / stored", one("normal FLOAT32 digest"), one("normal FLOAT32"), 0.8, 0.9),
        Ratio("normal FLOAT32, 2 threads / 1", own("normal FLOAT32, 2 threads"), one("normal FLOAT32"), 1.7, 1.95),
        *(Ratio(f"{name} FLOAT32 / torch {function}, 2 threads", own(f"{name} FLOAT32, 2 threads"), peer(function, 2))
          for name, function in (("uniform", "uniform_"), ("normal", "normal_"), ("truncated_normal", "trunc_normal_"))),
        *(Ratio(f"orthogonal {rows}² / torch orthogonal_, {threads} thread{'s' * (threads > 1)}",
                own(f"orthogonal {rows}², {threads} thread{'s' * (threads > 1)}"),
                f"torch orthogonal_ {rows}², {threads} thread{'s' * (threads > 1)}, {target} beside", 0.8, 1.2)
          for rows in (1024, 2048) for threads in (1, 2)),
    ]
    return worker, cases, ratios


def peers():
    """What is compared with, and its linear algebra."""
    blas = sorted({line.split()[-1] for line in open("/proc/self/maps", encoding="utf-8") if "blas" in line.lower()})
    return [f"torch {torch.__version__}, NumPy {numpy.__version__}", "BLAS of torch: " + (", ".join(map(os.path.basename, blas)) or "unknown")]
