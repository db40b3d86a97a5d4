"""What other clients keep of their throughput while the shipped nginx is attacked: `make attacks`.

Windows with and without the attacker alternate, and the medians are compared. Servers, nginx and clients have one processor, the
attacker another, as if it were a machine of its own; with --shared all share all of them, so that the attacker's own work counts
as well. ATTACK names what to run; all of them by default.
"""

import argparse
import contextlib
import multiprocessing
import os
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
import zlib

import nginx_test  # as it enters the namespaces and finds the programs
from nginx_test import BACKENDS, CONFIG, FRONT, MIB, NGINX, RawClient, harness, raw_client, wire

STREAM_BYTES = 64 * MIB  # that a client fetches again and again
CLIENTS = 2


# Attacks: each without end, by one process; `count` counts what it did.


def await_answers(client, calls):
    answered = set()
    for kind, stream, _ in client.frames():
        if stream > 0 and kind in (client.HEADERS, client.RST):
            answered.add(stream)
        if len(answered) == calls:
            return


def resets(count):
    with raw_client() as attacker:
        attacker.send_until_refused(RawClient.resets(20_000))
    count.value += 1


def endless_headers(count):
    with raw_client() as attacker:
        attacker.send_until_refused(RawClient.endless_headers(20_000))
    count.value += 1


def handshakes(count):
    """Connections that end once TLS stands, which costs a server more than a client."""
    raw_client().socket.close()
    count.value += 1


def idle_connections(count):
    """3000 connections that never say a word; whoever is thrown out comes back."""
    host, port = FRONT.rsplit(":", 1)
    idle = []
    while True:
        while len(idle) < 3000:
            idle.append(socket.create_connection((host, int(port)), source_address=("127.0.0.9", 0)))
            idle[-1].setblocking(False)
            count.value += 1
        time.sleep(0.2)
        for one in list(idle):
            with contextlib.suppress(BlockingIOError):
                with contextlib.suppress(ConnectionError):
                    one.recv(1)
                one.close()
                idle.remove(one)


def stuck_readers(count):
    """64 streams of which nothing is read."""
    message = wire.service_pb2.InitializeTensorRequest(tensor=wire.spec("w", [1 << 20, 1 << 16], wire.normal())).SerializeToString()
    stuck = [raw_client() for _ in range(2)]
    for one in stuck:
        for stream in range(1, 64, 2):
            one.socket.sendall(one.call(stream, f"/{wire.SERVICE}/InitializeTensor", message))
            count.value += 1
    time.sleep(3600)


def gzip_bombs(count):
    """Requests of 24 KB that inflate to 24 MiB, 32 of a connection."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(bytes(24 * MIB)) + packer.flush()
    with raw_client() as attacker:
        for stream in range(1, 64, 2):
            call = attacker.call(stream, f"/{wire.SERVICE}/InitializeTensor", bomb)
            at = call.index(bomb) - 5  # the flag before the message says that it is compressed
            attacker.socket.sendall(call[:at] + b"\1" + call[at + 1 :])
            count.value += 1
        await_answers(attacker, 32)


def forged_calls(count):
    """Calls for nothing, as many as one address is let."""
    with raw_client() as attacker:
        for stream in range(1, 64, 2):
            attacker.socket.sendall(attacker.call(stream, "/grpc.health.v1.Health/Check", b""))
            count.value += 1
        await_answers(attacker, 32)


ATTACKS = [resets, endless_headers, handshakes, idle_connections, stuck_readers, gzip_bombs, forged_calls]


def attack_for_ever(attack, count, processors):
    os.sched_setaffinity(0, processors)
    while True:
        with contextlib.suppress(OSError, ssl.SSLError):
            attack(count)


# Measuring


class Clients:
    """Fetch over TLS through the front, without end."""

    def __init__(self):
        self.bytes, self.failures, self._done = 0, [], threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._fetch) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _fetch(self):
        tls = ("--tls-ca", "/etc/nginx/tls/tls.crt", "--tls-server-name", "weights.test")
        command = [harness.CLI, "tensor", "--shape", str(STREAM_BYTES // 4), "--init", "uniform", "-o", "-", "--server", FRONT, *tls]
        while not self._done.is_set():
            client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            while piece := client.stdout.read1(1 << 20):
                with self._lock:
                    self.bytes += len(piece)
            if client.wait() != 0 or (said := client.stderr.read()):
                self.failures.append(said.decode() or f"exit {client.returncode}")

    def rate(self, seconds):
        """MB/s."""
        start, before = time.monotonic(), self.bytes
        time.sleep(seconds)
        return (self.bytes - before) / (time.monotonic() - start) / 1e6

    def stop(self):
        self._done.set()
        for thread in self._threads:
            thread.join()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(attack, options, victims, attackers):
    """(MB/s without, with; events per second; the attacker's share of a processor; failures)"""
    os.sched_setaffinity(0, victims)
    servers = [harness.Server(listen=(backend,)) for backend in BACKENDS]
    nginx = harness.Process([NGINX, "-e", "stderr", "-c", "/etc/nginx/nginx.conf", "-g", "daemon off;"])
    try:
        harness.wait_until(lambda: harness.is_port_open(FRONT), "nginx listens")
        clients = Clients()
        time.sleep(1)
        rss = max(server.rss_bytes() for server in servers)
        calm, attacked, events, cpu = [], [], 0, 0.0
        for _ in range(options.pairs):
            calm.append(clients.rate(options.seconds))
            count = multiprocessing.Value("q", 0, lock=False)
            attacker = multiprocessing.Process(target=attack_for_ever, args=(attack, count, attackers), daemon=True)
            attacker.start()
            time.sleep(0.5)
            before, used = count.value, cpu_seconds(attacker.pid)
            attacked.append(clients.rate(options.seconds))
            events += count.value - before
            cpu += cpu_seconds(attacker.pid) - used
            attacker.kill()
            attacker.join()
            time.sleep(0.5)
        clients.stop()
        grown = max(server.peak_bytes() for server in servers) - rss
    finally:
        nginx.signal(signal.SIGTERM)
        nginx.wait()
        for server in servers:
            server.kill()
    seconds = options.pairs * options.seconds
    return statistics.median(calm), statistics.median(attacked), events / seconds, cpu / seconds, grown, clients.failures


def main():
    names = [attack.__name__ for attack in ATTACKS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attack", nargs="*", metavar="ATTACK", help=", ".join(names))
    parser.add_argument("--seconds", type=float, default=4, help="of a window (default 4)")
    parser.add_argument("--pairs", type=int, default=3, help="of windows (default 3)")
    parser.add_argument("--shared", action="store_true", help="the attacker has no processor of its own")
    options = parser.parse_args()
    if unknown := set(options.attack) - set(names):
        parser.error(f"no attack: {', '.join(unknown)}")
    all_of_them = os.sched_getaffinity(0)
    if len(all_of_them) < 2:
        options.shared = True
    last = {max(all_of_them)}
    victims, attackers = (all_of_them, all_of_them) if options.shared else (all_of_them - last, last)
    nginx_test.enter_namespaces()
    print(f"{CONFIG}: {CLIENTS} clients, {len(victims)} processor(s) for them, nginx and 2 servers; "
          + ("the attacker shares them" if options.shared else "1 for the attacker"))
    print("| attack | per second | attacker's CPU | others, MB/s: calm | attacked | kept | server grew |\n|---|---|---|---|---|---|---|")
    worst = 1.0
    for attack in ATTACKS:
        if options.attack and attack.__name__ not in options.attack:
            continue
        calm, attacked, events, cpu, grown, failures = measure(attack, options, victims, attackers)
        worst = min(worst, attacked / calm)
        print(f"| {attack.__name__} | {events:.0f} | {cpu:.0%} | {calm:.0f} | {attacked:.0f} | {attacked / calm:.0%} | {grown / MIB:.0f} MiB |", flush=True)
        for failure in failures[:3]:
            print(f"a client failed: {failure}", file=sys.stderr)
        if failures:
            worst = 0.0
    sys.exit(0 if worst >= 0.8 else 1)


if __name__ == "__main__":
    if NGINX is None:
        sys.exit("nginx is missing (nginx-light)")
    main()
