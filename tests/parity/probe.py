"""What the parity tests share: the library's answers, and what is needed to compare them.

WEIGHTINIT_PROBE names the program, plan_probe or another of its kind. A package that a test needs is looked for with
`need`: with CI=true in the environment its absence fails the test, otherwise the test is skipped, loudly (exit code 77,
which ctest knows).
"""
import importlib
import json
import os
import subprocess
import sys
import unittest

SKIPPED = 77


def need(package):
    try:
        return importlib.import_module(package)
    except ImportError as error:
        if os.environ.get("CI") == "true":
            sys.exit(f"FAILED: {package} is needed and not installed ({error})")
        print(f"******** SKIPPED: {package} is not installed; nothing was compared ********", flush=True)
        sys.exit(SKIPPED)


class Refused(Exception):
    pass


class Probe:
    """plan_probe, asked one question after the other."""

    def __init__(self):
        self._process = subprocess.Popen([os.environ["WEIGHTINIT_PROBE"]], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE)

    def ask(self, **question):
        """The answer, and the bytes that follow it."""
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise Refused(answer["error"])
        return answer, self._process.stdout.read(answer["bytes"])

    def plan(self, tensor, seed=0):
        answer, _ = self.ask(want="plan", tensor=tensor, seed=seed)
        answer["numbers"] = {name: float.fromhex(value) for name, value in answer["numbers"].items()}
        if "fans" in answer:
            answer["fans"] = tuple(float.fromhex(value) for value in answer["fans"])
        if "gain" in answer:
            answer["gain"] = float.fromhex(answer["gain"])
        return answer

    def values(self, tensor, seed=0, selection=None):
        """The bytes, and their digest."""
        question = {"want": "values", "tensor": tensor, "seed": seed}
        if selection is not None:
            question["selection"] = selection
        answer, data = self.ask(**question)
        return data, answer["digest"]

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        if self._process.wait() != 0:
            raise RuntimeError("the probe failed")


class ProbeTest(unittest.TestCase):
    """Tests that share one probe."""

    @classmethod
    def setUpClass(cls):
        cls.probe = Probe()

    @classmethod
    def tearDownClass(cls):
        cls.probe.close()
