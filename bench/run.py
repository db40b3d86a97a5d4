#!/usr/bin/env python3
"""Measures side by side with peers and prints the tables; with --write also into bench/RESULTS.md, where a part that is not
measured stays as it is.

    bench/run.py [engine] [replay] [wire] [planning] [models] [--programs build/release/bin] [--rounds 7] [--only REGEX] [--write] …

Without names, all but the models, which need a disk: 32 GB on it, and many minutes (--gigabytes 2 for less).
Needs NumPy and torch; libopenblas0-pthread where torch is to have a good linear algebra. The wire needs unshare and ip, and
shows Arrow Flight where --flight-python names an interpreter that has pyarrow.
"""

import argparse
import pathlib
import re
import shlex
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import engine
import measure
import models
import planning
import processes
import replay
import results
import wire

PARTS = ("Engine", "Replay", "Wire", "Planning", "Models")  # that are measured here
DEFAULT_PARTS = ("Engine", "Replay", "Wire", "Planning")


def selected(pattern, cases, figures):
    """What --only asks for: figures whose title matches, and the cases that they need."""
    if not pattern:
        return cases, figures
    figures = [figure for figure in figures if re.search(pattern, figure.title)]
    needed = {name for figure in figures for name in figure.needs}
    return [case for case in cases if case.name in needed], figures


def tables(label, options, cases, figures):
    cases, figures = selected(options.only, cases, figures)
    times = measure.run_rounds(cases, options.rounds, progress=lambda line: print(f"\r{label}: {line}", end="", file=sys.stderr))
    print(file=sys.stderr)
    return ["", measure.markdown(measure.ratios_table(figures, cases, times)), "", measure.markdown(measure.rates_table(cases, times))]


def engine_part(options):
    text = []
    for simd in options.simd.split(","):
        worker, cases, figures = engine.cases_and_ratios(options.programs / "engine_worker", simd, options.mebibytes)
        text += ["", f"## Engine, {worker.target}, {options.mebibytes} MiB of binary32, {options.rounds} rounds"]
        text += tables(worker.target, options, cases, figures)
        worker.close()
    return engine.peers(), text


def replay_part(options):
    worker, cases, figures = replay.cases_and_ratios(options.programs / "replay_worker", options.mebibytes)
    text = ["", f"## Replays, {worker.target}, {options.mebibytes} MiB of binary32, {options.rounds} rounds"]
    text += tables("replay", options, cases, figures)
    worker.close()
    return engine.peers(), text


def wire_part(options):
    worker = engine.Worker(options.programs / "engine_worker")
    measured = wire.Wire(options.programs, shlex.split(options.server_flags), options.flight_python)
    try:
        cases, figures = wire.cases_and_figures(measured, worker, options.wire_mebibytes * wire.MIB)
        text = ["", f"## Stream, {options.wire_mebibytes} MiB, {options.rounds} rounds"]
        text += tables("wire", options, cases, figures)
        if not options.only:
            text += ["", measure.markdown(wire.chunk_sizes(measured, options.wire_mebibytes * wire.MIB, options.rounds))]
        if options.gibibytes:
            text += ["", measure.markdown(wire.memory_growth(measured, options.gibibytes))]
        return wire.conditions(), text
    finally:
        measured.close()
        worker.close()


def planning_part(options):
    worker, cases, figures = planning.cases_and_figures(options.programs / "plan_worker")
    text = ["", f"## Planning, {worker.target}, {options.rounds} rounds, 3 of 100 000 tensors"] + tables("planning", options, cases, figures)
    worker.close()
    return [], text


def models_part(options):
    measured = models.Models(options.programs, options.directory, options.gigabytes)
    try:
        cases, figures = measured.cases_and_figures()
        text = ["", f"## Llama 3 8B, {measured.size / 1e9:.2f} GB of bfloat16, {options.rounds} rounds"]
        return [], text + tables("models", options, cases, figures)
    finally:
        measured.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="engine|replay|wire|planning|models", help="default: all but models")
    parser.add_argument("--programs", default="build/release/bin", type=pathlib.Path)
    parser.add_argument("--rounds", default=7, type=int)
    parser.add_argument("--only", default="", help="only comparisons whose title matches, and the cases that they need")
    parser.add_argument("--write", action="store_true", help="into bench/RESULTS.md")
    group = parser.add_argument_group("engine, replay")
    group.add_argument("--simd", default="", help="instruction sets, comma-separated; default: the best alone")
    group.add_argument("--mebibytes", default=256, type=int)
    group = parser.add_argument_group("wire")
    group.add_argument("--wire-mebibytes", default=1024, type=int, help="of values per run")
    group.add_argument("--gibibytes", default=64, type=int, help="streamed while the server's memory is watched; 0: not")
    group.add_argument("--congestion", default="reno", help="TCP's congestion control, of both sides of every comparison")
    group.add_argument("--server-flags", default="", help="for weightinit-server, in one string")
    group.add_argument("--flight-python", default="", help="an interpreter that has pyarrow")
    group = parser.add_argument_group("models")
    group.add_argument("--directory", default=".", type=pathlib.Path, help="on the disk to measure")
    group.add_argument("--gigabytes", default=17.0, type=float, help="of the model; default: all of it")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through `finally`: no process of ours is left
    wanted = [part for part in PARTS if part.lower() in (options.parts or map(str.lower, DEFAULT_PARTS))]
    if len(wanted) < len(options.parts):
        parser.error("parts are: engine, replay, wire, planning, models")
    if "Wire" in wanted:
        processes.enter_own_network(options.congestion)

    parts = {}
    for part in wanted:
        conditions, text = {"Engine": engine_part, "Replay": replay_part, "Wire": wire_part, "Planning": planning_part, "Models": models_part}[part](options)
        parts[part] = results.section("bench/run.py", conditions, text)
        print(f"# {part}\n\n{parts[part]}\n")
    if options.write:
        results.write(parts)


if __name__ == "__main__":
    main()
