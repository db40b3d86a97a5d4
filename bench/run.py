#!/usr/bin/env python3
"""Measures the engine side by side with its peers and prints the tables; with --write also into bench/RESULTS.md.

    bench/run.py [--programs build/release/bin] [--simd avx512,avx2] [--mebibytes 256] [--rounds 7] [--only REGEX] [--write]

Needs NumPy and torch; libopenblas0-pthread where torch is to have a good linear algebra.
"""

import argparse
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import engine
import measure

RESULTS = pathlib.Path(__file__).with_name("RESULTS.md")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default="build/release/bin", type=pathlib.Path)
    parser.add_argument("--simd", default="", help="instruction sets, comma-separated; default: the best alone")
    parser.add_argument("--mebibytes", default=256, type=int)
    parser.add_argument("--rounds", default=7, type=int)
    parser.add_argument("--only", default="", help="only comparisons whose title matches, and the cases that they need")
    parser.add_argument("--write", action="store_true", help="into bench/RESULTS.md")
    options = parser.parse_args()

    command = "bench/run.py " + " ".join(sys.argv[1:])
    text = ["# Results", "", "One run, all cases in turn in every round; medians. GB are 10^9 bytes; ratios are of rates, round by round.",
            f"Command: `{command}`", "", *(f"* {line}" for line in measure.machine() + engine.peers())]
    for simd in options.simd.split(","):
        worker, cases, ratios = engine.cases_and_ratios(options.programs / "engine_worker", simd, options.mebibytes)
        if options.only:
            ratios = [ratio for ratio in ratios if re.search(options.only, ratio.title)]
            needed = {name for ratio in ratios for name in (ratio.case, ratio.base)}
            cases = [case for case in cases if case.name in needed]
        times = measure.run_rounds(cases, options.rounds, progress=lambda line: print(f"\r{worker.target}: {line}", end="", file=sys.stderr))
        print(file=sys.stderr)
        worker.close()
        text += ["", f"## Engine, {worker.target}, {options.mebibytes} MiB of binary32, {options.rounds} rounds", "",
                 measure.markdown(measure.ratios_table(ratios, cases, times)), "",
                 measure.markdown(measure.rates_table(cases, times))]
    text = "\n".join(text) + "\n"
    print(text)
    if options.write:
        RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
