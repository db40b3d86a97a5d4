"""PyTorch on several ranks (gloo): every layout holds the same full tensors, and digests prove it."""

import os
import pathlib
import subprocess
import sys

import pytest
from conftest import need

need("torch", "2.4")


def run(layout, world, source="local"):
    program = pathlib.Path(__file__).with_name("ranks.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}", str(program), layout]
    environment = dict(os.environ, OMP_NUM_THREADS="1", SOURCE=source)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("layout", ["fsdp", "tp"])
def test_one_dimension(layout, world):
    run(layout, world)


@pytest.mark.parametrize("layout, world", [("fsdp_tp", 2), ("fsdp_tp", 4), ("hsdp", 2), ("hsdp", 4)])
def test_two_dimensions(layout, world):
    run(layout, world)


@pytest.mark.parametrize("world", [1, 3, 4])
def test_placements(world):
    run("placements", world)


@pytest.mark.parametrize("world", [1, 2, 4])
def test_gpt2_from_a_checkpoint_that_was_never_written(world):
    run("gpt2", world)


def test_ranks_that_ask_a_server(server):
    run("fsdp", 2, server.address)
