"""Measuring side by side: every round runs every case once, so that what disturbs the machine disturbs all; medians are
told, and ratios are medians of the rounds' ratios."""

import dataclasses
import os
import platform
import statistics
import time


@dataclasses.dataclass
class Time:
    """Seconds of one run; CPU times sum over threads. Over a wire there is a server, which has its own; `fairness` is told of
    several streams at once: bytes of the slowest against the fastest's."""

    wall: float
    cpu: float
    server_cpu: float = None
    fairness: float = None


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
    at_most = None

    @property
    def needs(self):
        return [self.case, self.base]

    def value(self, case, base):
        elements = (case.size / self.element_bytes[0]) / (base.size / self.element_bytes[1])
        return base.wall / case.wall * elements


@dataclasses.dataclass
class Figure:
    """Any other row: `value` is called with the Runs of the cases that it `needs`. Has a floor (at_least) or a ceiling."""

    title: str
    needs: list
    value: object
    at_least: float = None
    aim: float = None
    at_most: float = None


class Run:
    """A Time with what was made in it."""

    def __init__(self, time, size):
        self.wall, self.cpu, self.server_cpu, self.fairness = time.wall, time.cpu, time.server_cpu, time.fairness
        self.size = size or 1

    @property
    def rate(self):
        return self.size / self.wall

    def per_gb(self, seconds):
        return seconds / self.size * 1e9


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
    over_a_wire = any(t.server_cpu is not None for case in cases for t in times[case.name])
    rows = [["case", "GB/s", "best", *(["CPU s/GB, client", "server"] if over_a_wire else ["CPU s/GB"]), "seconds"]]
    for case in cases:
        wall = [t.wall for t in times[case.name]]
        gigabytes = case.size / 1e9
        rate = lambda seconds: f"{gigabytes / seconds:.2f}" if case.size else ""
        cpu = lambda values: f"{statistics.median(values) / gigabytes:.3f}" if case.size and None not in values else ""
        rows.append([case.name, rate(statistics.median(wall)), rate(min(wall)), cpu([t.cpu for t in times[case.name]])])
        if over_a_wire:
            rows[-1].append(cpu([t.server_cpu for t in times[case.name]]))
        median = statistics.median(wall)
        rows[-1].append(f"{median:.3f}" if median >= 0.01 else f"{median:.6f}")
    return rows


def verdict(figure, value):
    if figure.at_most is not None:
        bound, met, aim = figure.at_most, value <= figure.at_most, figure.aim is not None and value <= figure.aim
    else:
        bound, met, aim = figure.at_least, value >= (figure.at_least or 0), figure.aim is not None and value >= figure.aim
    return "" if bound is None else "aim" if aim else "met" if met else "**below**" if figure.at_most is None else "**above**"


def ratios_table(figures, cases, times):
    sizes = {case.name: case.size for case in cases}
    rows = [["comparison", "median", "of the rounds", "asked", "aim", ""]]
    for figure in figures:
        rounds = zip(*(times[name] for name in figure.needs))
        values = [figure.value(*(Run(t, sizes[name]) for t, name in zip(one, figure.needs))) for one in rounds]
        median = statistics.median(values)
        bound = "" if figure.at_most is None and figure.at_least is None else (
            f"≥ {figure.at_least:g}" if figure.at_most is None else f"≤ {figure.at_most:g}")
        rows.append([figure.title, f"{median:.2f}", f"{min(values):.2f} to {max(values):.2f}", bound,
                     "" if figure.aim is None else f"{figure.aim:g}", verdict(figure, median)])
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
