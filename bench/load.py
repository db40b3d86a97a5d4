#!/usr/bin/env python3
"""Much at once, for long: small tensors over 1000 connections by ghz, 64 streams of large ones by our client library, and both
together. Tells errors, latencies and rates, and watches the server's memory; with --write also into bench/RESULTS.md.

    bench/load.py [--seconds 600] [--programs build/release/bin] [--ghz build/go/bin/ghz] [--write]

Both together take --seconds, each alone a tenth of it before. Ends with 1 where a call failed, a digest was wrong or memory grew.
ghz is a Go program (https://ghz.sh). Needs unshare and ip.
"""

import argparse
import concurrent.futures
import contextlib
import json
import math
import os
import pathlib
import re
import resource
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import measure
import processes
import results

MIB = 2**20
PROTO = pathlib.Path(__file__).parents[1] / "proto"
CALL = "weightinit.v1.WeightInitService.InitializeTensor"
SMALL_ELEMENTS = 1024
# Every request is another tensor, and so another recipe for the server to keep: its cache is full within the first minute.
SMALL = {"tensor": {"name": "layer.{{.RequestNumber}}", "shape": [SMALL_ELEMENTS], "init": {"normal": {"std": 0.02}}},
         "seed": "{{.RequestNumber}}"}
RECIPE_CACHE = "4MiB"
SETTLED_SECONDS = 60
MAX_GROWTH_MIB = 32


# What the server tells of itself
# ----------------------------------------------------------------------------------------------------------------------


def scrape(address):
    """{series: value} of a Prometheus page."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as page:
        lines = page.read().decode().splitlines()
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines if line and not line.startswith("#"))}


def total(page, name, **labels):
    has = lambda series: all(f'{label}="{value}"' in series for label, value in labels.items())
    return sum(value for series, value in page.items() if re.split(r"[{]", series)[0] == name and has(series))


def bucket_of(before, after, fraction, name, **labels):
    """The bound of the bucket in which that fraction of what came between two pages lies."""
    bounds = {}
    for series in after:
        bound = re.search(r'le="([^"]+)"', series)
        if bound and series.startswith(name + "_bucket") and all(f'{key}="{value}"' in series for key, value in labels.items()):
            bounds[float(bound.group(1))] = after[series] - before.get(series, 0)
    count = max(bounds.values(), default=0)
    return next((bound for bound, number in sorted(bounds.items()) if count and number >= fraction * count), math.nan)


class Watch:
    """The server's memory each second, and what it holds."""

    def __init__(self, server, metrics):
        self.server, self.metrics, self.samples, self.page_seconds = server, metrics, [], []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.wait(1):
            resident, _ = self.server.memory()
            begin = time.monotonic()
            page = scrape(self.metrics)
            self.page_seconds.append(time.monotonic() - begin)
            self.samples.append((begin, resident, page))

    def close(self):
        self._stop.set()
        self._thread.join()

    def between(self, begin, end):
        return [sample for sample in self.samples if begin <= sample[0] <= end]


# Loads
# ----------------------------------------------------------------------------------------------------------------------


def percentile(ordered, fraction):
    """The smallest value that so many are no larger than."""
    return ordered[max(math.ceil(fraction * len(ordered)) - 1, 0)] if ordered else math.nan


class Small:
    """What ghz saw of its calls. It looks at no bytes: the server's count of them is compared instead."""

    def __init__(self, report):
        self.errors = {code: count for code, count in report["statusCodeDistribution"].items() if code != "OK"}
        self.texts = list(report.get("errorDistribution") or {})
        self.count, self.rate = report["count"], report["rps"]
        self.milliseconds = sorted(call["latency"] / 1e6 for call in report["details"] if call["status"] == "OK")

    def row(self):
        return [f"{self.count}", f"{self.rate:.0f}", *(f"{percentile(self.milliseconds, part):.1f}" for part in (0.5, 0.99, 0.999, 1))]


def small(options, server, seconds, rate):
    """Calls on all connections; rate 0: each connection calls again as soon as it is answered."""
    with tempfile.TemporaryDirectory() as directory:
        output = pathlib.Path(directory) / "report.json"
        command = [options.ghz, "--insecure", "--proto", PROTO / "weightinit/v1/service.proto", "--import-paths", PROTO, "--call", CALL,
                   "--data", json.dumps(SMALL), "--connections", options.connections, "--concurrency", options.connections,
                   "--rps", rate, "--duration", f"{seconds}s", "--duration-stop", "wait", "--timeout", "60s", "--connect-timeout", "60s",
                   "--format", "json", "--output", output, server.address]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        if not output.exists():
            raise SystemExit(f"ghz: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return Small(json.loads(output.read_text(encoding="utf-8")))


class Large:
    """What our client library saw, which checks every digest: with the server's, with the one before, with one drawn here."""

    def __init__(self, answer, size):
        self.error = answer if answer.startswith("error") else ""
        seconds, self.tensors, self.breaks, self.fairness = (0, 0, 0, math.nan) if self.error else map(float, answer.split())
        self.rate = self.tensors * size / 1e9 / seconds if seconds else 0

    def row(self):
        return [f"{self.rate:.2f}", f"{self.tensors:.0f}", f"{self.fairness:.2f}"]


def large(options, client, seconds):
    size = options.mebibytes * MIB
    return Large(client.ask(f"soak normal(std=0.02) {size} {options.streams} {seconds}"), size)


# A run
# ----------------------------------------------------------------------------------------------------------------------


class Phase:
    """Loads that run at once, and what the server did meanwhile."""

    def __init__(self, title, server, watch, loads):
        self.title, self.watch, before, cpu = title, watch, scrape(watch.metrics), processes.cpu_seconds(server.pid)
        self.begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor() as threads:
            self.parts = {name: threads.submit(load) for name, load in loads.items()}
        self.parts = {name: part.result() for name, part in self.parts.items()}
        self.end = time.monotonic()
        after = scrape(watch.metrics)
        self.cpu = (processes.cpu_seconds(server.pid) - cpu) / (self.end - self.begin)
        method = {"grpc_method": "InitializeTensor"}
        told = lambda name, **labels: total(after, name, **labels) - total(before, name, **labels)
        handled = lambda code: told("grpc_server_handled_total", grpc_code=code)
        self.drawn, self.resent = told("weightinit_drawn_bytes_total"), handled("FailedPrecondition")
        self.refused = told("grpc_server_handled_total") - handled("OK") - self.resent
        self.at_server = [bucket_of(before, after, part, "grpc_server_handling_seconds", **method) * 1e3 for part in (0.5, 0.99, 0.999)]
        print(f"{title}: {self.end - self.begin:.0f} s, {self.problems() or 'no error'}", file=sys.stderr, flush=True)

    def problems(self):
        """In words; none if all went well."""
        found = [f"{self.refused:.0f} calls that the server did not answer with OK"] if self.refused else []
        calls, streams = self.parts.get("small"), self.parts.get("large")
        if calls and calls.errors:
            found.append(f"ghz: {calls.errors}, {calls.texts[:3]}")
        if streams and streams.error:
            found.append(streams.error)
        if streams and streams.breaks:
            found.append(f"{streams.breaks:.0f} broken streams taken up again")
        if streams is None and not found and self.drawn != calls.count * SMALL_ELEMENTS * 4:
            found.append(f"{self.drawn:.0f} bytes drawn, not those of {calls.count} tensors")
        return "; ".join(found)

    def small_row(self):
        return [self.title, *self.parts["small"].row(), *(f"{value:g}" for value in self.at_server)]

    def row(self):
        streams = self.parts.get("large")
        large = [*streams.row(), f"{self.resent:.0f}"] if streams else [""] * 4
        return [self.title, *large, f"{self.cpu:.2f}", self.problems() or "none"]

    def memory(self):
        """Of the server: MiB as it begins, once settled, in the end and at most, and the slope since it settled in MiB per minute."""
        samples = [(when - self.begin, resident / MIB) for when, resident, _ in self.watch.between(self.begin, self.end)]
        settled = [sample for sample in samples if sample[0] >= min(SETTLED_SECONDS, samples[-1][0] / 2)]
        tenth = max(len(settled) // 10, 1)  # a moment says little of a memory that buffers come to and go from
        mean = lambda some: statistics.fmean(resident for _, resident in some)
        slope = statistics.linear_regression(*zip(*settled)).slope * 60 if len(settled) > 1 else math.nan
        return samples[0][1], mean(settled[:tenth]), mean(settled[-tenth:]), max(resident for _, resident in samples), slope


CALLS = ["small tensors", "calls", "per s", "p50, ms", "p99", "p99.9", "at most", "at the server: p50 ≤", "p99 ≤", "p99.9 ≤"]
STREAMS = ["everything", "large, GB/s", "tensors", "fewest / most of a stream", "recipes sent again", "server's processors", "errors"]
MEMORY = ["the server's resident memory, MiB", "at first", "after a minute, or half", "at the end", "at most", "slope, MiB a minute", "growth asked", ""]
HELD = ["at most at one time", "streams", "chunks promised, MiB", "recipes kept, MiB", "open files", "page of metrics, ms, p50", "at most"]


def phases(options, server, watch, client, probe):
    brief = max(options.seconds // 10, 5)
    calls = lambda seconds, rate=options.rate: lambda: small(options, server, seconds, rate)
    streams = lambda seconds: lambda: large(options, client, seconds)
    count, rate = f"{options.connections} connections", f"{options.rate} calls a second"
    yield Phase(f"small, {count}, {rate}", server, watch, {"small": calls(brief)})
    yield Phase(f"small, {count}, all calling at once", server, watch, {"small": calls(brief, 0)})
    yield Phase(f"large, {options.streams} streams", server, watch, {"large": streams(brief)})
    # ghz looks at no bytes: one more connection draws small tensors that are checked as the large ones are.
    checked = lambda: Large(probe.ask(f"soak normal(std=0.02) {SMALL_ELEMENTS * 4} 1 {options.seconds}"), SMALL_ELEMENTS * 4)
    yield Phase("both", server, watch, {"small": calls(options.seconds), "large": streams(options.seconds), "checked": checked})


def held(watch):
    pages = [page for _, _, page in watch.samples]
    most = lambda name, unit=1: f"{max(total(page, name) for page in pages) / unit:.0f}"
    milliseconds = sorted(seconds * 1e3 for seconds in watch.page_seconds)
    return [HELD, ["", most("weightinit_streams"), most("weightinit_stream_bytes", MIB), most("weightinit_recipe_cache_bytes", MIB),
                   most("process_open_fds"), *(f"{percentile(milliseconds, part):.1f}" for part in (0.5, 1))]]


def run(options):
    """Lines of the report, and whether all went well."""
    with contextlib.ExitStack() as stack:
        flags = ["--listen", "127.0.0.1:0", "--metrics-listen", f"127.0.0.1:{options.metrics_port}", "--max-streams", "2048",
                 "--recipe-cache-bytes", RECIPE_CACHE, *shlex.split(options.server_flags)]
        server = processes.Server([options.programs / "weightinit-server", *flags], " on ", "stderr")
        stack.callback(server.close)
        watch = Watch(server, f"127.0.0.1:{options.metrics_port}")
        stack.callback(watch.close)
        clients = []
        for _ in range(2):
            clients.append(processes.Client([options.programs / "wire_client", server.address], server))
            stack.callback(clients[-1].close)
        done = list(phases(options, server, watch, *clients))
        watch.close()

        rows, well = [MEMORY], not any(phase.problems() for phase in done)
        for phase in done:
            first, settled, last, most, slope = phase.memory()
            rows.append([phase.title, *(f"{value:.1f}" for value in (first, settled, last, most, slope)), "", ""])
        growth = last - settled  # of both together
        rows[-1][-2:] = [f"≤ {MAX_GROWTH_MIB}", "met" if growth <= MAX_GROWTH_MIB else "**above**"]
        checked = done[-1].parts["checked"]
        if checked.error:
            well = False
        text = ["", f"## {options.connections} connections and {options.streams} streams, {options.seconds} s", "",
                measure.markdown([CALLS, *(phase.small_row() for phase in done if "small" in phase.parts)]), "",
                measure.markdown([STREAMS, *(phase.row() for phase in done)]), "",
                checked.error or f"Beside them one more connection drew {checked.tensors:.0f} small tensors, whose digests were checked too.", "",
                measure.markdown(rows), "", measure.markdown(held(watch))]
        return text, well and growth <= MAX_GROWTH_MIB


def conditions(options):
    return [f"Small: {SMALL_ELEMENTS * 4} bytes of float32, each call another tensor, by ghz; latency of a whole call, from its beginning to its status",
            f"Large: {options.mebibytes} MiB of float32 each, a connection for each stream, by our client library; the digest of every tensor is checked",
            f"The server has --max-streams 2048 and --recipe-cache-bytes {RECIPE_CACHE}; otherwise its defaults. Clients share its processors",
            "Loopback, TCP congestion control reno",
            "A recipe is sent again where the server has dropped it meanwhile for those of the small tensors, which its client does by itself",
            f"Load average before: {os.getloadavg()[0]:.1f}; where that is not near 0, other work shared the machine",
            "At the server: bounds of the buckets of grpc_server_handling_seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", default=600, type=int, help="of both loads together")
    parser.add_argument("--connections", default=1000, type=int, help="for small tensors")
    parser.add_argument("--rate", default=500, type=int, help="calls for small tensors in a second, over all connections")
    parser.add_argument("--streams", default=64, type=int, help="of large tensors")
    parser.add_argument("--mebibytes", default=64, type=int, help="of a large tensor")
    parser.add_argument("--programs", default="build/release/bin", type=pathlib.Path)
    parser.add_argument("--ghz", default="build/go/bin/ghz", type=pathlib.Path)
    parser.add_argument("--server-flags", default="", help="for weightinit-server, in one string")
    parser.add_argument("--metrics-port", default=9464, type=int, help="in a network of our own")
    parser.add_argument("--write", action="store_true", help="into bench/RESULTS.md")
    options = parser.parse_args()
    processes.enter_own_network("reno")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through the stack: no process of ours is left
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    before = conditions(options)
    text, well = run(options)
    part = results.section("bench/load.py", before, text, how="")
    print(f"# Load\n\n{part}\n")
    if options.write:
        results.write({"Load": part})
    sys.exit(not well)


if __name__ == "__main__":
    main()
