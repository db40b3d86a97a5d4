"""Measuring side by side: every round runs every case once, so that what disturbs the machine disturbs all; medians are
told, and ratios are medians of the rounds' ratios."""

import dataclasses
import os
import platform
import statistics
import time


@dataclasses.dataclass
class Time:
    """Seconds of one run; `cpu` sums over threads."""

    wall: float
    cpu: float


@dataclasses.dataclass
class Case:
    """Something to time: `run()` returns a Time. `size` is what a run makes, in bytes (rates are told in GB = 10^9 bytes)."""

    name: str
    run: object
    size: int = 0
    rounds: int = 0  # 0: as many as the others


@dataclasses.dataclass
class Ratio:
    """A row of the table: how many times faster `case` is than `base`. Equal sizes are not needed: rates are compared, of
    elements where `element_bytes` gives the size of an element of each."""

    title: str
    case: str
    base: str
    at_least: float = None
    aim: float = None
    element_bytes: tuple = (1, 1)


def timed(function):
    """A run() of a Python function."""

    def run():
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        return Time(time.perf_counter() - wall, time.process_time() - cpu)

    return run


def run_rounds(cases, rounds, progress=print):
    """Times by case name. The first round warms up and is not kept."""
    times = {case.name: [] for case in cases}
    for number in range(rounds + 1):
        for case in cases:
            if case.rounds and number > case.rounds:
                continue
            measured = case.run()
            if number > 0:
                times[case.name].append(measured)
        progress(f"round {number} of {rounds}")
    return times


def rates_table(cases, times):
    rows = [["case", "GB/s", "best", "CPU s/GB", "seconds"]]
    for case in cases:
        wall = [t.wall for t in times[case.name]]
        cpu = statistics.median(t.cpu for t in times[case.name])
        gigabytes = case.size / 1e9
        rate = lambda seconds: f"{gigabytes / seconds:.2f}" if case.size else ""
        rows.append([case.name, rate(statistics.median(wall)), rate(min(wall)), f"{cpu / gigabytes:.3f}" if case.size else "",
                     f"{statistics.median(wall):.3f}"])
    return rows


def ratios_table(ratios, cases, times):
    sizes = {case.name: case.size or 1 for case in cases}
    rows = [["comparison", "median", "of the rounds", "at least", "aim", ""]]
    for ratio in ratios:
        elements = (sizes[ratio.case] / ratio.element_bytes[0]) / (sizes[ratio.base] / ratio.element_bytes[1])
        values = [base.wall / case.wall * elements for case, base in zip(times[ratio.case], times[ratio.base])]
        median = statistics.median(values)
        verdict = ""
        if ratio.at_least is not None:
            verdict = "**below**" if median < ratio.at_least else "aim" if ratio.aim and median >= ratio.aim else "met"
        number = lambda value: "" if value is None else f"{value:g}"
        rows.append([ratio.title, f"{median:.2f}", f"{min(values):.2f} to {max(values):.2f}", number(ratio.at_least),
                     number(ratio.aim), verdict])
    return rows


def markdown(rows):
    lines = ["| " + " | ".join(rows[0]) + " |", "| --- " + "| ---: " * (len(rows[0]) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows[1:]])


def machine():
    """What the figures were measured on, in lines."""
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                  if line.startswith(("model name", "CPU part"))), platform.processor())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = next((line.split("=", 1)[1].strip().strip('"') for line in open("/etc/os-release", encoding="utf-8")
                   if line.startswith("PRETTY_NAME=")), platform.system())
    return [f"{len(os.sched_getaffinity(0))} processors: {model}", f"{memory:.0f} GiB of memory",
            f"{system}, Linux {platform.release()}, {platform.python_implementation()} {platform.python_version()}"]
