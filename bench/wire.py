"""The stream over sockets: weightinit-server and our client library beside plain sockets, ordinary protobuf messages, torch
in-process and Arrow Flight, on the loopback."""

import contextlib
import pathlib
import statistics
import subprocess
import tempfile

import torch

from measure import Case, Figure, Ratio, run_rounds, timed
from processes import CONGESTION, Client, Server

MIB, GIB = 2**20, 2**30


def conditions():
    algorithm = pathlib.Path(CONGESTION).read_text(encoding="ascii").strip()
    return [f"Loopback, TCP congestion control {algorithm} on both sides of every comparison; servers and clients share the processors",
            "Chunks of 1 MiB everywhere. Digests are off but where it says `digest`",
            "What has arrived is let go of, but where it says `into memory`: there it ends up in one piece of memory",
            f"torch {torch.__version__}"]


class Wire:
    """All the processes. Leave it by close()."""

    def __init__(self, programs, server_flags=(), flight_python=""):
        self.programs = programs
        self.stack = contextlib.ExitStack()
        try:
            self.start(server_flags, flight_python)
        except BaseException:
            self.close()
            raise

    def start(self, server_flags, flight_python):
        programs = self.programs
        self.directory = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.socket = lambda name: f"unix:{self.directory}/{name}"
        listen = ["--listen", "127.0.0.1:0", "--listen", self.socket("ours")]
        self.ours = self.serve([programs / "weightinit-server", *listen, *server_flags], " on ", "stderr")
        self.ours.address = self.ours.address.rstrip(",")
        self.raw = self.peer("raw", "127.0.0.1:0")
        self.raw_local = self.peer("raw", self.socket("raw"))
        self.protobuf = self.peer("protobuf", "127.0.0.1:0")
        certificate, key = self.certificate()
        tls = ["--listen", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key]
        self.tls = self.serve([programs / "weightinit-server", *tls, *server_flags], " on ", "stderr")
        self.flight = None
        if flight_python:
            self.flight_command = [flight_python, pathlib.Path(__file__).with_name("flight.py")]
            self.flight = self.serve([*self.flight_command, "serve"], "serving ")

    def serve(self, *arguments):
        server = Server(*arguments)
        self.stack.callback(server.close)
        return server

    def peer(self, *arguments):
        return self.serve([self.programs / "wire_peer", *arguments], "serving ")

    def client(self, server, *arguments, address=None, command=None):
        client = Client(command or [self.programs / "wire_client", address or server.address, *arguments], server)
        self.stack.callback(client.close)
        return client

    def certificate(self):
        """P-256, signed by itself, for localhost."""
        self.certificate_file, key = f"{self.directory}/cert.pem", f"{self.directory}/key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", key, "-out", self.certificate_file], check=True, capture_output=True)
        return self.certificate_file, key

    def close(self):
        self.stack.close()


# What is measured
# ----------------------------------------------------------------------------------------------------------------------


def cases_and_figures(wire, engine, size):
    """`engine`: an engine_worker, for what generating alone costs. `size`: bytes per run."""
    case = lambda name, client, line, bytes=size, **options: Case(name, lambda: client.run(line), bytes, **options)
    tensor = torch.empty(size // 4)
    streams = 64

    def ours(name, initializer, connections, sink, digest=0, server=wire.ours, arguments=(), address=None):
        client = wire.client(server, *arguments, address=address)
        return case(name, client, f"weights {initializer} {size} {connections} {digest} {sink}")

    def torch_uniform():
        torch.set_num_threads(1)
        tensor.uniform_()

    constant = "constant(value=1)"
    warm = wire.client(wire.ours)
    cases = [
        case("raw TCP", wire.client(wire.raw), f"raw {size} drop"),
        case("raw TCP into memory", wire.client(wire.raw), f"raw {size} memory"),
        ours("constant", constant, 1, "drop"),
        ours("constant into memory", constant, 1, "memory"),
        ours("constant, 2 connections", constant, 2, "drop"),
        ours("constant into memory, 2 connections", constant, 2, "memory"),
        ours("constant into memory, digest", constant, 1, "memory", digest=1),
        case("protobuf", wire.client(wire.protobuf), f"protobuf {size} drop"),
        case("protobuf into memory", wire.client(wire.protobuf), f"protobuf {size} memory"),
        ours("uniform", "uniform", 1, "drop"),
        ours("uniform, 2 connections", "uniform", 2, "drop"),
        ours("uniform into memory", "uniform", 1, "memory"),
        ours("uniform into memory, 2 connections", "uniform", 2, "memory"),
        ours("uniform into memory, 2 connections, digest", "uniform", 2, "memory", digest=1),
        ours("normal, 2 connections", "normal", 2, "drop"),
        ours("constant, automatic connections", constant, 0, "drop"),
        ours("uniform, automatic connections", "uniform", 0, "drop"),
        # As a server draws: into memory that a cache holds.
        case("uniform alone", engine, f"fill uniform FLOAT32 {4 * MIB} 1", 16 * MIB),
        case("normal alone", engine, f"fill normal FLOAT32 {4 * MIB} 1", 16 * MIB),
        Case("torch uniform_, 1 thread", timed(torch_uniform), size),
        case(f"raw TCP, {streams} sockets", wire.client(wire.raw), f"rawstreams {size // 16} {streams}", size // 16 * streams),
        case(f"constant, {streams} streams, a connection each", wire.client(wire.ours),
             f"streams {constant} {size // 16} {streams} {streams}", size // 16 * streams),
        case(f"constant, {streams} streams, one connection", wire.client(wire.ours),
             f"streams {constant} {size // 16} {streams} 1", size // 16 * streams),
        case(f"uniform, {streams} streams, a connection each", wire.client(wire.ours),
             f"streams uniform {size // 16} {streams} {streams}", size // 16 * streams),
        case("empty call", wire.client(wire.protobuf), "empty 500", 0),
        case("first byte of 4 KiB", warm, "first 500", 0),
        case("raw unix socket", wire.client(wire.raw_local), f"raw {size} drop"),
        ours("constant, unix socket", constant, 1, "drop", address=wire.socket("ours")),
        ours("uniform, unix socket", "uniform", 1, "drop", address=wire.socket("ours")),
        ours("constant, TLS", constant, 1, "drop", server=wire.tls, arguments=[wire.certificate_file]),
        ours("constant, TLS, 2 connections", constant, 2, "drop", server=wire.tls, arguments=[wire.certificate_file]),
    ]
    rows = figures(streams)
    if wire.flight is not None:
        client = wire.client(wire.flight, command=[*wire.flight_command, "read", wire.flight.address])
        cases.append(case("Arrow Flight DoGet", client, f"{size}"))
        rows.append(Ratio("constant / Arrow Flight DoGet, rate", "constant", "Arrow Flight DoGet"))
    return cases, rows


def figures(streams):
    rate = lambda title, case, base, *bounds: Ratio(f"{title}, rate", case, base, *bounds)

    def server_cpu(title, case, base, *bounds):
        value = lambda one, other: one.per_gb(one.server_cpu) / other.per_gb(other.server_cpu)
        return Figure(f"{title}, server's CPU time per GB", [case, base], value, None, bounds[1] if bounds else None,
                      bounds[0] if bounds else None)

    def of_possible(title, generated, alone, at_least=None, aim=None):
        """With C the CPU time per GB of the constant stream, on both sides, and G that of generating alone, C/(C+G) of the
        constant stream's rate is what processors that are never idle would give."""

        def value(stream, constant, engine):
            c, g = constant.per_gb(constant.cpu + constant.server_cpu), engine.per_gb(engine.cpu)
            return stream.rate / (constant.rate * c / (c + g))

        return Figure(title, [generated, generated.replace("uniform", "constant").replace("normal", "constant"), alone], value,
                      at_least, aim)

    many = f"constant, {streams} streams"
    fairness = lambda case: Figure(f"{case}: bytes of the slowest / the fastest", [case], lambda one: one.fairness, 0.7)
    return [
        rate("constant / raw TCP", "constant", "raw TCP", 0.70, 0.90),
        rate("constant / raw TCP, both into memory", "constant into memory", "raw TCP into memory", 0.70, 0.90),
        rate("constant, 2 connections / raw TCP, one", "constant, 2 connections", "raw TCP"),
        rate("constant, 2 connections / raw TCP, one, both into memory", "constant into memory, 2 connections", "raw TCP into memory"),
        rate("constant / protobuf", "constant", "protobuf", 1.2, 1.4),
        rate("constant / protobuf, both into memory", "constant into memory", "protobuf into memory", 1.2, 1.4),
        server_cpu("constant / raw TCP", "constant", "raw TCP", 1.6, 1.3),
        server_cpu("protobuf / raw TCP", "protobuf", "raw TCP"),
        of_possible("uniform / constant · C/(C+G), as many connections each as the library thinks best, rate",
                    "uniform, automatic connections", "uniform alone", 0.85, 0.95),
        of_possible("uniform / constant · C/(C+G), 1 connection each, rate", "uniform", "uniform alone"),
        of_possible("normal / constant · C/(C+G), 2 connections each, rate", "normal, 2 connections", "normal alone"),
        rate("uniform into memory / torch uniform_ in-process", "uniform into memory", "torch uniform_, 1 thread", 2, 3),
        rate("uniform into memory, 2 connections / torch uniform_ in-process", "uniform into memory, 2 connections",
             "torch uniform_, 1 thread", 2, 3),
        rate("uniform into memory, 2 connections, digest / torch uniform_ in-process", "uniform into memory, 2 connections, digest",
             "torch uniform_, 1 thread"),
        rate("digest on / off, constant into memory", "constant into memory, digest", "constant into memory"),
        rate(f"{many} on as many connections / 1", f"{many}, a connection each", "constant", 0.9),
        rate(f"{many} on one connection / 1", f"{many}, one connection", "constant"),
        rate(f"uniform, {streams} streams on as many connections / 1", f"uniform, {streams} streams, a connection each", "uniform", 0.9),
        rate(f"raw TCP, {streams} sockets / 1", f"raw TCP, {streams} sockets", "raw TCP"),
        rate(f"{many} on as many connections / raw TCP, as many sockets", f"{many}, a connection each", f"raw TCP, {streams} sockets"),
        fairness(f"{many}, a connection each"),
        fairness(f"{many}, one connection"),
        fairness(f"uniform, {streams} streams, a connection each"),
        Figure("first byte of 4 KiB / empty call, time", ["first byte of 4 KiB", "empty call"],
               lambda first, empty: first.wall / empty.wall, None, None, 1.5),
        rate("constant / raw, unix socket", "constant, unix socket", "raw unix socket"),
        rate("TLS / plaintext, constant", "constant, TLS", "constant"),
        rate("TLS / plaintext, constant, 2 connections each", "constant, TLS, 2 connections", "constant, 2 connections"),
    ]


def chunk_sizes(wire, size, rounds):
    """Rows: GB/s of a uniform stream, by the server's --chunk-bytes and --chunks-ahead."""
    kibibytes, ahead = (64, 256, 512, 1024, 2048), (1, 2, 4)

    def reader(chunk, count):
        flags = [f"--chunk-bytes={chunk}KiB", f"--chunks-ahead={count}"]
        server = wire.serve([wire.programs / "weightinit-server", "--listen", "127.0.0.1:0", *flags], " on ", "stderr")
        client = wire.client(server)
        return Case(f"{chunk} {count}", lambda: client.run(f"weights uniform {size} 1 0 drop"))

    times = run_rounds([reader(chunk, count) for chunk in kibibytes for count in ahead], rounds, progress=lambda line: None)
    rate = lambda chunk, count: size / 1e9 / statistics.median(time.wall for time in times[f"{chunk} {count}"])
    return [["uniform, GB/s, chunks of", *(f"{count} ahead" for count in ahead)],
            *([f"{chunk} KiB", *(f"{rate(chunk, count):.2f}" for count in ahead)] for chunk in kibibytes)]


def memory_growth(wire, gibibytes):
    """Rows: how much more memory the server has at most, than before, while it streams to one client."""
    rows = [["the server's resident memory", "before, MiB", "at most, MiB", "more, MiB", "asked", ""]]
    for initializer in ("constant(value=1)", "uniform"):
        server = wire.serve([wire.programs / "weightinit-server", "--listen", "127.0.0.1:0"], " on ", "stderr")
        client = wire.client(server)
        before, _ = server.memory()
        server.reset_peak()
        client.run(f"weights {initializer} {gibibytes * GIB} 1 0 drop")
        _, peak = server.memory()
        more = (peak - before) / MIB
        rows.append([f"{initializer.partition('(')[0]}, {gibibytes} GiB to one client", f"{before / MIB:.1f}", f"{peak / MIB:.1f}",
                     f"{more:.1f}", "≤ 32", "met" if more <= 32 else "**above**"])
    return rows
