"""What the tests share: the two programs of build/release (WEIGHTINIT_BIN: another folder), started as the integration tests do.

A test that needs a peer (torch, jax) skips without it, which the last lines say.
"""

import importlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
BIN = pathlib.Path(os.environ.get("WEIGHTINIT_BIN", ROOT / "build" / "release" / "bin"))
os.environ.setdefault("TEST_CLI", str(BIN / "weightinit"))
os.environ.setdefault("TEST_SERVER", str(BIN / "weightinit-server"))
sys.path.insert(0, str(ROOT / "tests" / "integration"))
sys.path.insert(0, os.path.dirname(__file__))

import harness  # noqa: E402

_skipped = []


def need(module: str, minimum: str = ""):
    """A module that a whole file of tests needs."""
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        _skipped.append(f"{module}: {error}")
        pytest.skip(f"MISSING PEER: {module}: {error}", allow_module_level=True)
    version = getattr(found, "__version__", "0")
    if minimum and [int(part) for part in version.split(".")[:2]] < [int(part) for part in minimum.split(".")]:
        _skipped.append(f"{module} {version} is older than {minimum}")
        pytest.skip(f"MISSING PEER: {module} {version} is older than {minimum}", allow_module_level=True)
    return found


def pytest_terminal_summary(terminalreporter):
    for what in _skipped:
        terminalreporter.write_line(f"MISSING PEER, its tests did not run: {what}", yellow=True)


@pytest.fixture(scope="session")
def server():
    with harness.Server() as process:
        yield process


@pytest.fixture(scope="session")
def cli():
    """Runs the program; its standard output."""

    def run(*arguments):
        done = subprocess.run([str(BIN / "weightinit"), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    return run


def bits(array) -> bytes:
    """Bytes of an array: equal bits, NaNs and signs of zero included."""
    return np.ascontiguousarray(array).tobytes()


MIXED = {
    "seed": 7,
    "rules": [
        {"module": "Linear", "name_regex": r".*\.weight", "init": "kaiming_uniform(nonlinearity=relu)"},
        {"name_regex": r".*\.bias", "init": "zeros"},
    ],
    "tensors": [
        {"name": "fc1.weight", "shape": [120, 40], "module": "Linear"},
        {"name": "fc1.bias", "shape": [120], "module": "Linear"},
        {"name": "norm", "shape": [31], "init": "truncated_normal(std=0.02)", "dtype": "bfloat16"},
        {"name": "conv", "shape": [8, 6, 3, 5], "init": "normal", "dtype": "float16"},
        {"name": "square", "shape": [24, 24], "init": "orthogonal"},
        {"name": "double", "shape": [17, 3], "init": "uniform(low=-1)", "dtype": "float64"},
        {"name": "eighth", "shape": [33], "init": "normal", "dtype": "float8_e4m3fn"},
        {"name": "other_eighth", "shape": [4, 5], "init": "normal", "dtype": "float8_e5m2"},
        {"name": "steps", "shape": [], "init": "zeros", "dtype": "int64", "buffer": True},
        {"name": "mask", "shape": [3, 0, 2], "init": "ones", "dtype": "bool"},
        {"name": "sparse", "shape": [50, 20], "init": "sparse(sparsity=0.3)"},
    ],
}
