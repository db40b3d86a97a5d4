"""The same bits three ways: drawn here, by a server, read from a file; whole and in parts."""

import json
import os

import ml_dtypes
import numpy as np
import pytest
from conftest import MIXED, bits
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import weightinit
from weightinit import errors

# One recipe costs a file and a few calls.
FEW = settings(max_examples=int(os.environ.get("WEIGHTINIT_EXAMPLES", "25")), deadline=None, suppress_health_check=list(HealthCheck))

INITS = ["normal(std=0.5)", "uniform", "zeros", "kaiming_normal", "xavier_uniform", "truncated_normal", "orthogonal", "lecun_normal",
         "sparse(sparsity=0.5)", "constant(value=3)"]
FLOATS = ["float32", "bfloat16", "float16", "float64", "float8_e4m3fn", "float8_e5m2"]


@st.composite
def recipes(draw):
    tensors = []
    for i in range(draw(st.integers(1, 4))):
        init = draw(st.sampled_from(INITS))
        rank = 2 if init.startswith("sparse") else draw(st.integers(2, 4))
        shape = draw(st.lists(st.integers(1, 9), min_size=rank, max_size=rank))
        tensors.append({"name": f"t{i}.weight", "shape": shape, "init": init, "dtype": draw(st.sampled_from(FLOATS))})
    return {"seed": draw(st.integers(0, 2**64 - 1)), "tensors": tensors}


@pytest.fixture(scope="module")
def three_ways(server, cli, tmp_path_factory):
    """Opens a recipe from each source."""
    folder = tmp_path_factory.mktemp("files")

    def open_all(recipe):
        path = folder / "recipe.json"
        path.write_text(json.dumps(recipe))
        cli("model", path, "-o", folder / "model.safetensors")
        loaded = weightinit.Recipe.load(path)
        return [weightinit.open(loaded, source) for source in ("local", server.address, str(folder / "model.safetensors"))]

    return open_all


@FEW
@given(data=st.data())
def test_local_remote_and_file_agree_on_random_recipes_and_slices(three_ways, data):
    recipe = data.draw(recipes())
    local, remote, file = three_ways(recipe)
    with local, remote, file:
        assert list(local) == list(remote) == list(file) == [tensor["name"] for tensor in recipe["tensors"]]
        for name in local:
            whole = local[name][...]
            assert whole.shape == local[name].shape and whole.dtype == local[name].dtype
            index = data.draw(hnp.basic_indices(whole.shape, allow_newaxis=False))
            for weights in (local, remote, file):
                assert bits(weights[name][...]) == bits(whole)
                part = weights[name][index]
                assert part.shape == whole[index].shape
                assert bits(part) == bits(whole[index])
                target = np.zeros(whole.shape, whole.dtype)
                weights[name].into(target[index], index) if whole[index].ndim else None
                expected = np.zeros_like(target)
                if whole[index].ndim:
                    expected[index] = whole[index]
                assert bits(target) == bits(expected)


def test_every_dtype_and_method(three_ways):
    local, remote, file = three_ways(MIXED)
    with local, remote, file:
        arrays = [weights.read_many() for weights in (local, remote, file)]
        for name, here, there, held in zip(local, *arrays):
            assert here.dtype == there.dtype == held.dtype == local[name].dtype, name
            assert bits(here) == bits(there) == bits(held), name
        digests = [weights.digest() for weights in (local, remote, file)]
        assert digests[0] == digests[1] == digests[2] == local.recipe.digest()
        assert len({weights.fingerprint for weights in (local, remote, file)}) == 1


def test_the_digest_and_fingerprint_are_the_programs(cli, tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(MIXED))
    recipe = weightinit.Recipe.load(path)
    assert f"{recipe.digest():016x}" in cli("digest", path, "--quiet").splitlines()[-1]
    assert recipe.fingerprint in cli("plan", path, "--fingerprint")


def test_another_reader_of_safetensors_sees_the_same(cli, tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    cli("model", "article_net", "--seed", "5", "-o", tmp_path / "model.safetensors")
    held = safetensors.load_file(tmp_path / "model.safetensors")
    with weightinit.open(weightinit.Recipe.load("article_net", seed=5)) as weights:
        assert set(held) == set(weights)
        for name in weights:
            assert bits(held[name]) == bits(weights[name][...])


def test_a_folder_of_shards(cli, tmp_path):
    folder = tmp_path / "shards"
    cli("model", "article_net", "-o", folder, "--max-shard-size", "100KB")
    index = folder / "model.safetensors.index.json"
    assert len(list(folder.glob("*.safetensors"))) > 1
    with weightinit.open("article_net") as local:
        for source in (folder, index):
            with weightinit.open("article_net", source) as held:
                for name in local:
                    assert bits(held[name][...]) == bits(local[name][...])
                    assert bits(held[name][1:]) == bits(local[name][1:])
                assert held.digest() == local.digest()
            assert held["fc1.weight"].digest() == local["fc1.weight"].digest()  # mapped again
    with pytest.raises(errors.FailedPreconditionError, match="another recipe"):
        weightinit.open(weightinit.Recipe.load("article_net", seed=1), folder)
    shard = json.loads(index.read_text())["weight_map"]["fc1.weight"]
    (folder / shard).unlink()
    with pytest.raises(errors.NotFoundError, match=shard):
        weightinit.open("article_net", folder)
    with pytest.raises(errors.NotFoundError, match="holds no .safetensors file"):
        weightinit.open("article_net", tmp_path)


@pytest.mark.parametrize("source", ["local", "remote"])
def test_another_dtype_is_the_same_draw_rounded_once(server, source):
    recipe = weightinit.Recipe.from_dict({"tensors": [{"name": "w", "shape": [64, 33], "init": "normal"}]})
    with weightinit.open(recipe, "local" if source == "local" else server.address) as weights:
        single = weights["w"][...]
        for dtype in (ml_dtypes.bfloat16, np.float16, ml_dtypes.float8_e5m2, "BFLOAT16"):
            half = weights["w"].read(dtype=dtype)
            assert bits(half) == bits(single.astype(half.dtype))
            target = np.empty((33, 64), half.dtype).T
            assert weights["w"].into(target) is target
            assert bits(target) == bits(half)
        assert bits(np.asarray(weights["w"], dtype=np.float16)) == bits(single.astype(np.float16))


@pytest.mark.parametrize("source", ["local", "remote"])
def test_into_writes_nothing_beside(server, source):
    recipe = weightinit.Recipe.from_dict({"tensors": [{"name": "w", "shape": [40, 50], "init": "normal"}]})
    with weightinit.open(recipe, "local" if source == "local" else server.address) as weights:
        whole = weights["w"][...]
        frame = np.full((44, 60), np.float32(np.nan))
        weights["w"].into(frame[2:42, 5:55])
        assert bits(frame[2:42, 5:55]) == bits(whole)
        frame[2:42, 5:55] = np.nan
        assert np.isnan(frame).all()
        columns = np.empty((80, 25), np.float32, order="F")[::2]
        assert bits(weights["w"].into(columns, np.s_[:, ::2])) == bits(whole[:, ::2])
        backwards = np.empty((40, 50), np.float32)
        assert bits(weights["w"].into(backwards, np.s_[::-1])) == bits(whole[::-1])
        row = np.empty(50, np.float32)
        assert bits(weights["w"].into(row, -1)) == bits(whole[-1])


@pytest.mark.parametrize("source", ["local", "remote", "file"])
def test_read_many(server, cli, tmp_path, source):
    cli("model", "article_net", "-o", tmp_path / "m.safetensors")
    where = {"local": "local", "remote": server.address, "file": str(tmp_path / "m.safetensors")}[source]
    with weightinit.open("article_net", where) as weights:
        name = next(name for name in weights if weights[name].ndim > 1)
        whole = weights[name][...]
        out = np.empty(whole[:2].shape, np.float32)
        arrays = weights.read_many([name, (name, np.s_[::-1]), weightinit.Read(name, np.s_[:2], out), (name, 0)], progress=True)
        assert arrays[2] is out
        for array, expected in zip(arrays, [whole, whole[::-1], whole[:2], whole[0]]):
            assert bits(array) == bits(expected)
        assert weights.read_many([]) == []


def test_many_small_and_large_tensors_in_parallel():
    tensors = [{"name": f"t{i}", "shape": [1 + 37 * i % 300, 40], "init": "normal"} for i in range(300)]
    tensors += [{"name": "large", "shape": [1024, 1024], "init": "normal"}]
    recipe = weightinit.Recipe.from_dict({"tensors": tensors})
    with weightinit.open(recipe, threads=4) as weights, weightinit.open(recipe, threads=1) as alone:
        for many, name in zip(weights.read_many(), alone):
            assert bits(many) == bits(alone[name][...])
