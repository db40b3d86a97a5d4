"""Faults as they happen: replicas that die, links that are slow or cut, a server that hangs, a disk that is full, a clock that
jumps, certificates that change. Whatever happens, a file is whole and right, or not there.

FAULTS_SECONDS: how long replicas are killed and certificates change (default 6; `make faults`: 60). From 30 on, partitions last
longer than keepalive waits.
"""

import ctypes
import filecmp
import glob
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import harness  # noqa: E402
from gate import Gate  # noqa: E402
from harness import MIB, cli, missing_peer, start_cli, wait_until  # noqa: E402

SECONDS = float(os.environ.get("FAULTS_SECONDS", "6"))
# 32 MB: tensors of all sizes, several of which are read in parts.
RECIPE = """
seed: 5
rules:
  - {name_regex: '.*\\.weight', init: "truncated_normal(std=0.02)"}
  - {name_regex: '.*\\.bias', init: zeros}
tensors:
""" + "".join(
    f"  - {{name: layer{i}.weight, shape: [200, 317]}}\n  - {{name: layer{i}.bias, shape: [317]}}\n" for i in range(30)
)
RECIPE += "  - {name: embedding.weight, shape: [6000, 1000]}\n"


def enter_namespaces():
    """A network and mounts of our own: the machine's are left alone."""
    clone_newns, clone_newnet = 0x00020000, 0x40000000
    if ctypes.CDLL(None, use_errno=True).unshare(clone_newns | clone_newnet) != 0:
        print("MISSING PEER: the right to make namespaces", file=sys.stderr)
        sys.exit(1 if harness.IN_CI else 77)
    for command in ("mount --make-rprivate /", "mkdir -p /run/netns", "mount -t tmpfs tmpfs /run/netns", "ip link set lo up"):
        subprocess.run(command.split(), check=True)


def command(line):
    subprocess.run(line.split(), check=True, capture_output=True)


class Link:
    """A network behind a link of its own: 10.9.N.2 in there, 10.9.N.1 here."""

    count = 0

    def __init__(self, test):
        Link.count += 1
        self.name, self.near, self.inside = f"far{Link.count}", f"near{Link.count}", f"10.9.{Link.count}.2"
        command(f"ip netns add {self.name}")
        test.addCleanup(command, f"ip netns del {self.name}")
        command(f"ip link add {self.near} type veth peer name eth0 netns {self.name}")
        command(f"ip addr add 10.9.{Link.count}.1/24 dev {self.near}")
        command(f"ip link set {self.near} up")
        for line in (f"addr add {self.inside}/24 dev eth0", "link set eth0 up", "link set lo up"):
            command(f"ip -n {self.name} {line}")

    def limit(self, megabits):
        command(f"ip netns exec {self.name} tc qdisc add dev eth0 root tbf rate {megabits}mbit burst 64kb latency 100ms")

    def bytes_received(self):
        with open("/proc/thread-self/net/dev", encoding="ascii") as devices:
            return next(int(line.split()[1]) for line in devices if line.strip().startswith(self.near + ":"))

    def cut(self):
        """Packets vanish, both ways, without a word to anyone."""
        command(f"ip netns exec {self.name} iptables -I INPUT -i eth0 -j DROP")
        command(f"ip netns exec {self.name} iptables -I OUTPUT -o eth0 -j DROP")

    def heal(self):
        command(f"ip netns exec {self.name} iptables -F")


class ServerBehind(harness.Process):
    """A server at the far end of a link."""

    def __init__(self, link, *flags):
        self.address = f"{link.inside}:50051"
        super().__init__(
            ["/usr/bin/env", "ip", "netns", "exec", link.name, harness.SERVER, "--listen", self.address, "--insecure", *flags]
        )
        self.wait_for_line(r" serving ")


class Authorities:
    """Two that sign, for servers and clients by turns."""

    def __init__(self, directory):
        self._directory = directory
        self._curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self.certificates = []
        for name in "ab":
            cert, key = self._paths(name)
            self._openssl("req", "-x509", *self._curve, "-keyout", key, "-out", cert, "-subj", f"/CN={name}", "-days", "2")
            self.certificates.append(harness.read(cert))

    def _paths(self, name):
        return [os.path.join(self._directory, f"{name}.{end}") for end in ("pem", "key")]

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=harness.PATIENCE)

    def pair(self, name, authority):
        """Paths of a certificate for localhost, and of its key."""
        (cert, key), (ca_cert, ca_key) = self._paths(name), self._paths("ab"[authority])
        self._openssl("req", *self._curve, "-keyout", key, "-out", key + ".csr", "-subj", f"/CN={name}")
        with open(key + ".ext", "w", encoding="ascii") as names:
            names.write("subjectAltName=DNS:localhost")
        signed = ("-CA", ca_cert, "-CAkey", ca_key, "-CAcreateserial", "-out", cert, "-days", "1", "-extfile", names.name)
        self._openssl("x509", "-req", "-in", key + ".csr", *signed)
        return cert, key


class Files:
    """A secret's files, exchanged one after the other."""

    def __init__(self, directory):
        self.directory = directory
        os.mkdir(directory)

    def path(self, name):
        return os.path.join(self.directory, name)

    def install(self, files):
        for name, text in files.items():
            with open(self.path(name) + ".new", "wb") as file:
                file.write(text)
            os.replace(self.path(name) + ".new", self.path(name))


class KubernetesVolume(Files):
    """A secret as a kubelet mounts it: names lead over ..data to a directory, and ..data changes in one step."""

    generation = 0

    def install(self, files):
        self.generation += 1
        directory = self.path(f"..{self.generation}")
        os.mkdir(directory)
        for name, text in files.items():
            with open(os.path.join(directory, name), "wb") as file:
                file.write(text)
        os.symlink(f"..{self.generation}", self.path("..data_tmp"))
        os.replace(self.path("..data_tmp"), self.path("..data"))
        for name in files:
            if not os.path.islink(self.path(name)):
                os.symlink(f"..data/{name}", self.path(name))
        shutil.rmtree(self.path(f"..{self.generation - 1}"), ignore_errors=True)


class FaultsTest(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.recipe = cls.shared_path("model.yaml")
        with open(cls.recipe, "w", encoding="utf-8") as file:
            file.write(RECIPE)
        cls.expected = cls.shared_path("expected.safetensors")
        cli("model", cls.recipe, "-o", cls.expected, "--quiet")

    def setUp(self):
        super().setUp()
        self.target = self.path("model.safetensors")

    def begin(self, address, *flags, **options):
        client = start_cli("model", self.recipe, "--server", address, "-o", self.target, "--quiet", *flags, **options)
        self.addCleanup(client.kill)
        return client

    def behind(self, link, *flags):
        server = ServerBehind(link, *flags)
        self.addCleanup(server.kill)
        return server

    def assertFinishes(self, client, timeout=300):
        self.assertEqual(client.wait(timeout), 0, client.text)
        self.assertTrue(filecmp.cmp(self.target, self.expected, shallow=False))

    def test_replicas_that_are_killed_again_and_again(self):
        servers = [self.server() for _ in range(3)]
        addresses = [server.address for server in servers]
        target = "ipv4:" + ",".join(addresses)
        end = time.monotonic() + SECONDS
        fetched, failures = [0] * 8, []

        def fetch(number):
            path = self.path(f"{number}.safetensors")
            while time.monotonic() < end or fetched[number] == 0:
                result = cli("model", self.recipe, "-o", path, "--quiet", "--server", target, timeout=300, expect=None)
                if result.code != 0 or not filecmp.cmp(path, self.expected, shallow=False):
                    failures.append(str(result))
                    return
                fetched[number] += 1
                os.unlink(path)

        clients = [threading.Thread(target=fetch, args=(number,)) for number in range(len(fetched))]
        for client in clients:
            client.start()
        killed = 0
        while any(client.is_alive() for client in clients):
            time.sleep(1)
            victim = killed % len(servers)
            servers[victim].kill()
            servers[victim] = self.server(listen=(addresses[victim],))
            killed += 1
        for client in clients:
            client.join()
        self.assertEqual(failures, [])
        self.assertGreaterEqual(killed, SECONDS // 2)
        print(f"{sum(fetched)} models of 32 MB by {len(fetched)} clients, {killed} servers killed", file=sys.stderr)

    def test_a_name_of_several_addresses(self):
        servers = [self.server("--drain-delay=300s", "--log-calls", listen=(f"127.0.0.{i}:50051",)) for i in (2, 3, 4)]
        hosts = self.write("hosts", "127.0.0.1 localhost\n" + "".join(f"127.0.0.{i} weights.test\n" for i in (2, 3, 4)))
        command(f"mount --bind {hosts} /etc/hosts")
        self.addCleanup(command, "umount /etc/hosts")
        servers[0].signal(signal.SIGTERM)
        servers[0].wait_for_line("health is NOT_SERVING")
        servers[1].kill()
        for _ in range(4):
            self.assertFinishes(self.begin("dns:///weights.test:50051", "--connections", "3"))
            os.unlink(self.target)
        self.assertNotIn("call ended", servers[0].text)
        self.assertIn("call ended", servers[2].text)

    def test_certificates_that_change_under_load(self):
        self.authorities = Authorities(self.directory)
        self.ours = [self.authorities.pair(f"client-{name}", i) for i, name in enumerate("ab")]
        self.trusted = self.path("trusted.pem")
        with open(self.trusted, "wb") as file:
            file.write(b"".join(self.authorities.certificates))
        for make in (Files, KubernetesVolume):
            with self.subTest(make.__name__):
                self.exchange_certificates(make(self.path(make.__name__)), SECONDS / 2)

    def exchange_certificates(self, secret, seconds):
        """Every certificate is exchanged, the authority too, while clients fetch models over connections of their own."""

        def install(pair, authorities):
            names = dict(zip(("tls.crt", "tls.key"), map(harness.read, pair)))
            secret.install({**names, "ca.crt": b"".join(self.authorities.certificates[i] for i in authorities)})

        def said(text):
            return sum(text in line for line in server.lines)

        pair = self.authorities.pair("server-0", 0)
        install(pair, [0])
        flags = [f"--tls-{flag}={secret.path(name)}" for flag, name in (("cert", "tls.crt"), ("key", "tls.key"), ("client-ca", "ca.crt"))]
        server = self.server(*flags)

        def peer(ours):
            """Whose certificate a new connection meets; None: it is refused."""
            context = ssl.create_default_context(cafile=self.trusted)
            context.set_alpn_protocols(["h2"])
            context.load_cert_chain(*ours)
            try:
                with socket.create_connection(server.address.split(":"), timeout=harness.PATIENCE) as raw:
                    with context.wrap_socket(raw, server_hostname="localhost") as connection:
                        if not connection.recv(1):  # the end, or HTTP/2's first frame
                            return None
                        return dict(field[0] for field in connection.getpeercert()["subject"])["commonName"]
            except (ssl.SSLError, ConnectionError):
                return None

        current, fetched, failures, done = 0, [0] * 3, [], threading.Event()

        def fetch(number):
            path = self.path(f"{number}.safetensors")
            while not done.is_set() and not failures:
                tls = ("--tls-ca", self.trusted, "--tls-server-name", "localhost")
                ours = ("--tls-cert", self.ours[current][0], "--tls-key", self.ours[current][1])
                result = cli("model", self.recipe, "-o", path, "--server", server.address, *tls, *ours, timeout=300, expect=None)
                if result.code != 0 or "trying again" in result.err or not filecmp.cmp(path, self.expected, shallow=False):
                    failures.append(str(result))
                    return
                fetched[number] += 1
                os.unlink(path)

        def wait_for_fetches(count):
            aim = [number + count for number in fetched]
            wait_until(lambda: failures or all(number >= least for number, least in zip(fetched, aim)), "clients go on", every=0.05)

        clients = [threading.Thread(target=fetch, args=(number,)) for number in range(len(fetched))]
        for client in clients:
            client.start()
        self.addCleanup(done.set)
        end, rounds = time.monotonic() + seconds, 0
        while rounds == 0 or (time.monotonic() < end and not failures):
            former, rounds = f"server-{rounds}", rounds + 1
            old_key, pair = pair[1], self.authorities.pair(f"server-{rounds}", 1 - current)
            install((pair[0], old_key), [0, 1])
            wait_until(lambda: said("the former certificate stays") == rounds, "a key that does not fit is refused")
            wait_for_fetches(2)
            self.assertEqual(peer(self.ours[current]), former)
            install(pair, [0, 1])
            wait_until(lambda: peer(self.ours[current]) == f"server-{rounds}", "the new certificate is served", every=0.1)
            current = 1 - current
            wait_for_fetches(2)  # those that began with the former certificate are through
            install(pair, [current])
            wait_until(lambda: peer(self.ours[1 - current]) is None, "the former authority counts no more", every=0.1)
            self.assertEqual(peer(self.ours[current]), f"server-{rounds}")
        done.set()
        for client in clients:
            client.join()
        self.assertEqual(failures, [])
        self.assertGreaterEqual(said("new certificate"), 2 * rounds)
        print(f"{sum(fetched)} models of 32 MB by {len(clients)} clients, {rounds} new certificates and authorities", file=sys.stderr)

    def test_a_slow_link(self):
        link = Link(self)
        link.limit(megabits=200)
        server = self.behind(link)
        before = server.rss_bytes()
        self.assertFinishes(self.begin(server.address))
        if not harness.SANITIZED:
            self.assertLess(server.peak_bytes() - before, 64 * MIB)

    def test_a_partition_that_heals(self):
        link = Link(self)
        link.limit(megabits=200)
        server = self.behind(link)
        client = self.begin(server.address, "--retry-for", "300")
        wait_until(lambda: link.bytes_received() > 4 * MIB, "the client is in the middle")
        link.cut()
        # Short ones are TCP's matter. Long ones are noticed on both sides (TCP_USER_TIMEOUT, keepalive), and end the stream.
        time.sleep(100 if SECONDS >= 30 else 2)
        self.assertTrue(client.is_running(), client.text)
        link.heal()
        self.assertFinishes(client)
        server.wait_until_idle()

    def test_a_server_that_hangs_and_goes_on(self):
        server = self.server()
        gate = Gate(server.address, 8 * MIB)
        self.addCleanup(gate.close)
        client = self.begin(gate.address)
        wait_until(lambda: gate.is_full, "the client is in the middle")
        server.signal(signal.SIGSTOP)
        gate.open()
        time.sleep(2)
        self.assertTrue(client.is_running(), client.text)
        server.signal(signal.SIGCONT)
        self.assertFinishes(client)

    def test_a_server_that_hangs_ends_a_call_at_its_deadline(self):
        server = self.server()
        gate = Gate(server.address, 8 * MIB)
        self.addCleanup(gate.close)
        client = self.begin(gate.address, "--timeout", "3")
        wait_until(lambda: gate.is_full, "the client is in the middle")
        server.signal(signal.SIGSTOP)
        self.assertEqual(client.wait(), 3, client.text)
        self.assertFalse(os.path.exists(self.target))
        server.signal(signal.SIGCONT)
        # What came is kept: the same command goes on, with the server or without it.
        gate.open()
        self.assertFinishes(self.begin(gate.address))

    def test_a_full_disk(self):
        disk = self.path("disk")
        os.mkdir(disk)
        command(f"mount -t tmpfs -o size=20m tmpfs {disk}")
        self.addCleanup(command, f"umount {disk}")
        server = self.server()
        path = os.path.join(disk, "model.safetensors")
        result = cli("model", self.recipe, "-o", path, "--quiet", "--server", server.address, expect=None)
        self.assertNotIn(result.code, (0, -signal.SIGSEGV, -signal.SIGABRT), result)
        self.assertIn("No space left on device", result.err)
        self.assertFalse(os.path.exists(path))
        command(f"mount -o remount,size=80m {disk}")
        cli("model", self.recipe, "-o", path, "--quiet", "--server", server.address)
        self.assertTrue(filecmp.cmp(path, self.expected, shallow=False))
        self.assertEqual(os.listdir(disk), ["model.safetensors"])

    def test_a_clock_that_jumps(self):
        libraries = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not libraries:
            missing_peer("libfaketime (Debian: faketime)")
        for jump in ("+2h", "-2h"):
            with self.subTest(jump=jump):
                server = self.server()
                gate = Gate(server.address, 8 * MIB)
                self.addCleanup(gate.close)
                now = self.write("now", "+0")
                # The time of day alone: what counts seconds does not jump.
                clock = {
                    "LD_PRELOAD": libraries[0],
                    "FAKETIME_TIMESTAMP_FILE": now,
                    "FAKETIME_NO_CACHE": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                }
                client = self.begin(gate.address, "--timeout", "120", env=clock)
                wait_until(lambda: gate.is_full, "the client is in the middle")
                with open(now, "w", encoding="ascii") as file:
                    file.write(jump)
                gate.open()
                self.assertFinishes(client)
                os.unlink(self.target)


if __name__ == "__main__":
    random.seed(0)
    enter_namespaces()
    unittest.main(verbosity=2)
