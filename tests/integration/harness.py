"""What the integration tests share: the two programs as child processes, temporary directories, and peers.

Each test file runs on its own (`ctest -R integration` hands over the paths), with the standard library's unittest. Every
process that is started here ends with its test, also when the test fails or is killed.
"""

import contextlib
import filecmp
import importlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from gate import Gate

CLI = os.environ.get("TEST_CLI", "")
SERVER = os.environ.get("TEST_SERVER", "")
SOURCE_DIR = os.environ.get("TEST_SOURCE_DIR", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
STUBS_DIR = os.environ.get("TEST_STUBS_DIR", "")
# A sanitizer multiplies time and memory: bounds on either are then not checked.
SANITIZED = bool(os.environ.get("TEST_SANITIZE", ""))
IN_CI = os.environ.get("CI", "") == "true"

MIB = 1 << 20
# Generous: it only decides how long a test that fails takes.
PATIENCE = 60.0

sys.dont_write_bytecode = True
if STUBS_DIR:
    sys.path.insert(0, STUBS_DIR)


def missing_peer(what):
    """Skips loudly what cannot be tested here; in CI that is a failure."""
    message = f"MISSING PEER: {what}"
    if IN_CI:
        raise AssertionError(message)
    print(message, file=sys.stderr, flush=True)
    raise unittest.SkipTest(message)


def require_module(name, package):
    """A module that one test needs."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        return missing_peer(f"Python module {name} ({package}): {error}")


def require_module_for_all(name, package):
    """A module without which a whole file cannot run: it ends, with the code that ctest reports as skipped."""
    try:
        return require_module(name, package)
    except unittest.SkipTest:
        sys.exit(77)


# Processes
# ----------------------------------------------------------------------------------------------------------------------


def _environment(extra=None):
    # Whatever configures the programs outside must not configure them here.
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("WEIGHTINIT_", "GRPC_"))}
    clean.update({"no_proxy": "*", "NO_PROXY": "*", "LC_ALL": "C.UTF-8"})
    clean.update(extra or {})
    return clean


def _with_our_end(command):
    """The command, killed when this process is killed."""
    setpriv = shutil.which("setpriv")
    return ([setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []) + list(command)


class Process:
    """A child process. Its standard error is collected line by line."""

    def __init__(self, command, env=None, stdout=subprocess.DEVNULL, cwd=None, file_limit=None):
        if not command[0] or not os.path.exists(command[0]):
            raise AssertionError(f"no program {command[0]!r}: run these tests by ctest, or set TEST_CLI and TEST_SERVER")
        wrapped = _with_our_end(command)
        if file_limit is not None:
            wrapped = ["/bin/sh", "-c", f'ulimit -f {file_limit // 512}; exec "$@"', "sh"] + wrapped
        self._process = subprocess.Popen(
            wrapped, env=_environment(env), stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, cwd=cwd
        )
        self.pid = self._process.pid
        self.stdout = self._process.stdout
        self._lines = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self):
        for line in self._process.stderr:
            with self._changed:
                self._lines.append(line.decode(errors="replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def lines(self):
        with self._changed:
            return list(self._lines)

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait_for_line(self, pattern, timeout=PATIENCE):
        """The first line that matches. Fails when none comes."""
        end = time.monotonic() + timeout
        seen = 0
        with self._changed:
            while True:
                for line in self._lines[seen:]:
                    if re.search(pattern, line):
                        return line
                seen = len(self._lines)
                left = end - time.monotonic()
                if self._ended or left <= 0:
                    raise AssertionError(f"no line matches {pattern!r} in:\n" + "\n".join(self._lines))
                self._changed.wait(left)

    def signal(self, number):
        self._process.send_signal(number)

    def is_running(self):
        return self._process.poll() is None

    def wait(self, timeout=PATIENCE):
        """The exit code; of a process that a signal ended, minus its number."""
        code = self._process.wait(timeout)
        self._reader.join(timeout)
        return code

    def kill(self):
        if self.is_running():
            self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stderr.close()
        if self.stdout is not None:
            self.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def takes(self, number):
        """Whether a signal is handled, and does not end the process as signals do by default."""
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as status:
            masks = [int(line.split()[1], 16) for line in status if line.startswith(("SigBlk:", "SigCgt:"))]
        return any(mask >> (number - 1) & 1 for mask in masks)

    # What it uses ----------------------------------------------------------------------------------------------------

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()

    def peak_bytes(self):
        """The most memory that was ever resident."""
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:")), 0)

    def wait_until_idle(self, timeout=PATIENCE, window=0.5):
        """Seconds until it has stopped computing: a window in which its CPU time stands (almost) still."""
        start = time.monotonic()
        while True:
            before = self.cpu_seconds()
            time.sleep(window)
            used = self.cpu_seconds() - before
            if used <= 0.05 * window:
                return time.monotonic() - start - window
            if time.monotonic() - start > timeout:
                raise AssertionError(f"still computes after {timeout} s: {used:.2f} s of CPU time within {window} s")


class Server(Process):
    """A server on a free port of the loopback (and wherever else `listen` says), once it serves."""

    def __init__(self, *flags, listen=("127.0.0.1:0",), env=None):
        command = [SERVER]
        for address in listen:
            command += ["--listen", address]
        if not any(flag.startswith("--threads") for flag in flags):
            command += ["--threads", "2"]
        if not any(flag.startswith("--drain-delay") for flag in flags):
            command += ["--drain-delay", "0s"]
        super().__init__(command + list(flags), env=env)
        try:
            self.start_line = self.wait_for_line(r" serving ")
            self.addresses = re.search(r" on (.*) \(\d+ thread", self.start_line).group(1).split(", ")
        except BaseException:
            self.kill()
            raise
        self.address = self.addresses[0]

    def stop(self, timeout=PATIENCE):
        self.signal(signal.SIGTERM)
        return self.wait(timeout)


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err.decode(errors="replace")

    @property
    def text(self):
        return self.out.decode()

    def __str__(self):
        return f"exit {self.code}\nstdout: {self.out[:2000]!r}\nstderr: {self.err}"


def run(command, timeout=PATIENCE, env=None, cwd=None, stdin=b""):
    done = subprocess.run(
        _with_our_end(command), input=stdin, capture_output=True, timeout=timeout, env=_environment(env), cwd=cwd, check=False
    )
    return Result(done.returncode, done.stdout, done.stderr)


def cli(*arguments, timeout=PATIENCE, env=None, cwd=None, expect=0):
    """Runs `weightinit` to its end. Fails on another exit code than `expect` (None: any will do)."""
    if not CLI or not os.path.exists(CLI):
        raise AssertionError(f"no program {CLI!r}: run these tests by ctest, or set TEST_CLI")
    result = run([CLI, *map(str, arguments)], timeout=timeout, env=env, cwd=cwd)
    if expect is not None and result.code != expect:
        raise AssertionError(f"weightinit {' '.join(map(str, arguments))}: {result}")
    return result


def start_cli(*arguments, **options):
    return Process([CLI, *map(str, arguments)], **options)


# Places
# ----------------------------------------------------------------------------------------------------------------------


class TestCase(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shared = tempfile.mkdtemp(prefix="weightinit-test-")
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)

    def setUp(self):
        super().setUp()
        self.directory = tempfile.mkdtemp(prefix="weightinit-test-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    @classmethod
    def shared_path(cls, name):
        return os.path.join(cls.shared, name)

    @classmethod
    def shared_write(cls, name, text):
        with open(cls.shared_path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return cls.shared_path(name)

    @classmethod
    def shared_server(cls, *flags, **options):
        server = Server(*flags, **options)
        cls.addClassCleanup(server.kill)
        return server

    def server(self, *flags, **options):
        server = Server(*flags, **options)
        self.addCleanup(server.kill)
        return server

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def assertSameBytes(self, left, right, message=""):
        """Bytes without a dump of megabytes."""
        if left == right:
            return
        if len(left) != len(right):
            self.fail(f"{message}: {len(left)} bytes and {len(right)} bytes")
        at = next(i for i, (a, b) in enumerate(zip(left, right)) if a != b)
        self.fail(f"{message}: differ from byte {at} on: {left[at:at + 16].hex()} and {right[at:at + 16].hex()}")


class ModelTestCase(TestCase):
    """Fetches one model, that of the recipe RECIPE, into the only file of a directory."""

    RECIPE = ""
    GATE_BYTES = 8 * MIB  # enough for a block of the journal; much less than a model

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.recipe = cls.shared_write("model.yaml", cls.RECIPE)
        cls.expected = cls.shared_path("expected.safetensors")
        cli("model", cls.recipe, "-o", cls.expected, "--quiet")

    def setUp(self):
        super().setUp()
        self.output = self.path("output")
        os.mkdir(self.output)
        self.target = os.path.join(self.output, "model.safetensors")

    def fetch(self, address, *flags, **options):
        return cli("model", self.recipe, "--server", address, "-o", self.target, *flags, **options)

    def begin(self, address, *flags, **options):
        client = start_cli("model", self.recipe, "--server", address, "-o", self.target, *flags, **options)
        self.addCleanup(client.kill)
        return client

    def gate(self, server):
        gate = Gate(server.address, self.GATE_BYTES)
        self.addCleanup(gate.close)
        return gate

    def begin_at_gate(self, address, *flags, **options):
        """A client that is in the middle of the model, and stays there until the gates before its servers are opened."""
        client = self.begin(address, *flags, **options)
        wait_until(lambda: journaled_blocks(self.target) > 0 or not client.is_running(), "a block is there")
        self.assertTrue(client.is_running(), client.text)
        return client

    def is_right(self, path):
        return filecmp.cmp(path, self.expected, shallow=False)

    def assertRight(self):
        self.assertTrue(self.is_right(self.target))
        self.assertEqual(os.listdir(self.output), [os.path.basename(self.target)])

    def assertFinishes(self, client, timeout=PATIENCE):
        self.assertEqual(client.wait(timeout), 0, client.text)
        self.assertRight()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def journaled_blocks(target):
    """Blocks of a file that is being written that its journal promises: a file of that size says nothing."""
    try:
        return read(target + ".journal").count(b"\n") - 1
    except FileNotFoundError:
        return 0


def safetensors_of(path):
    """Header and {name: bytes} of a .safetensors file, read by hand."""
    data = read(path)
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    values = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            values[name] = data[8 + length + begin : 8 + length + end]
    return header, values


def wait_until(condition, what, timeout=PATIENCE, every=0.01):
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"did not happen within {timeout} s: {what}")
        time.sleep(every)


def is_port_open(address):
    host, port = address.rsplit(":", 1)
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex((host, int(port))) == 0


def main():
    unittest.main(verbosity=2)
