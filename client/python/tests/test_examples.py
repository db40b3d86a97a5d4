"""The examples run as they are, and say the same on every number of ranks."""

import importlib.util
import math
import pathlib
import re
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"


def run(name, *arguments, ranks=0):
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"] if ranks else []
    command = [sys.executable, *launcher, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def needs(module, minimum=(0, 0)):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"MISSING PEER: {module}")
    from importlib.metadata import version

    if tuple(map(int, version(module).split(".")[:2])) < minimum:
        pytest.skip(f"MISSING PEER: {module} {minimum}")


def test_article_net(cli):
    needs("torch")
    digest = cli("digest", "article_net", "--seed", "42", "--quiet").splitlines()[-1].split()[0]
    assert f"model digest {digest}" in run("article_net.py")


def test_fsdp2_gloo():
    needs("torch", (2, 6))
    outputs = [run("fsdp2_gloo.py", ranks=ranks) for ranks in (1, 2, 4)]
    assert len({re.search("model digest ([0-9a-f]{16})", output).group(1) for output in outputs}) == 1
    curves = [[float(loss) for loss in re.findall(r"loss (\S+)", output)] for output in outputs]
    for curve in curves:
        assert curve == pytest.approx(curves[0], abs=2e-3) and curve[-1] < curve[0]


def test_dcp_virtual_checkpoint():
    needs("torch", (2, 6))
    outputs = [run("dcp_virtual_checkpoint.py", ranks=ranks) for ranks in (0, 1, 2)]
    assert len({re.search("model digest ([0-9a-f]{16})", output).group(1) for output in outputs}) == 1


def test_jax_sharded():
    needs("jax")
    assert len(set(re.findall("sha256 ([0-9a-f]{64})", run("jax_sharded.py")))) == 1


def test_torchtitan(tmp_path):
    """The recipe that it writes, of a model with the names of torchtitan's Llama 3."""
    needs("torch")
    import weightinit
    from torch import nn

    def layer():
        parts = {"wq": nn.Linear(8, 8, bias=False), "wo": nn.Linear(8, 8, bias=False)}
        feed = {f"w{i}": nn.Linear(8, 8, bias=False) for i in (1, 2, 3)}
        norms = {"attention_norm": nn.LayerNorm(8, bias=False), "ffn_norm": nn.LayerNorm(8, bias=False)}
        return nn.ModuleDict({"attention": nn.ModuleDict(parts), "feed_forward": nn.ModuleDict(feed), **norms})

    def model():
        layers = nn.ModuleDict({str(i): layer() for i in range(2)})
        ends = {"tok_embeddings": nn.Embedding(10, 8), "norm": nn.LayerNorm(8, bias=False), "output": nn.Linear(8, 10, bias=False)}
        return nn.ModuleDict({**ends, "layers": layers})

    spec = importlib.util.spec_from_file_location("example", EXAMPLES / "torchtitan.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    example.write_recipe(model, 8, str(tmp_path / "recipe.json"), seed=3)
    recipe = weightinit.Recipe.load(tmp_path / "recipe.json")
    plan = recipe.plan()
    assert recipe.seed == 3 and len(plan) == len(model().state_dict())
    for name, std in {
        "tok_embeddings.weight": 1, "layers.0.attention.wq.weight": 0.02, "layers.0.attention.wo.weight": 0.02 / math.sqrt(2),
        "layers.1.feed_forward.w1.weight": 0.02, "layers.1.feed_forward.w3.weight": 0.02 / 2,
    }.items():  # fmt: skip
        assert plan[name].expected_std == pytest.approx(std), name
    assert plan["output.weight"].upper_bound == pytest.approx(3 / math.sqrt(8))
