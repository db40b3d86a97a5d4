"""Errors: the library's words with field paths, in one hierarchy, the same for every source."""

import json
import pickle

import numpy as np
import pytest
from conftest import ROOT, need

import weightinit
from weightinit import errors

W = {"tensors": [{"name": "w", "shape": [4, 5], "init": "normal"}, {"name": "n", "shape": [2], "init": "zeros", "dtype": "int64"}]}

CASES = json.loads((ROOT / "tests" / "refusals.json").read_text())["cases"]
OF_THE_RECIPE = [case for case in CASES if "recipe" in case and not {"selections", "limits"} & set(case)]


@pytest.mark.parametrize("case", OF_THE_RECIPE, ids=lambda case: case["name"])
def test_refusals_are_the_librarys(case):
    with pytest.raises(errors.Error) as caught:
        weightinit.open(weightinit.Recipe.from_dict(case["recipe"]))
    assert caught.value.code == case["code"]
    assert caught.value.violations[0].field == case["field"]
    assert case["message"] in caught.value.violations[0].description


def caught_by(action):
    with pytest.raises(errors.Error) as caught:
        action()
    return caught.value


@pytest.mark.parametrize(
    "action, class_, field",
    [
        (lambda weights: weights["x"], KeyError, "selections[0].name"),
        (lambda weights: weights.read_many(["w", "x"]), errors.NotFoundError, "selections[0].name"),
        (lambda weights: weights["w"].read(dtype="int64"), ValueError, "selections[0].dtype"),
        (lambda weights: weights["w"].read(dtype=np.complex64), ValueError, "dtype"),
        (lambda weights: weights["w"].into(np.empty((4, 6), np.float32)), ValueError, "array"),
        (lambda weights: weights["w"].into(np.empty((4, 5), ">f4")), ValueError, "dtype"),
        (lambda weights: weights["w"].into(np.broadcast_to(np.float32(0), (4, 5))), ValueError, "array"),
    ],
)
def test_a_mistake_has_the_same_error_here_and_there(server, action, class_, field):
    recipe = weightinit.Recipe.from_dict(W)
    with weightinit.open(recipe) as local, weightinit.open(recipe, server.address) as remote:
        here, there = caught_by(lambda: action(local)), caught_by(lambda: action(remote))
    assert isinstance(here, class_)
    assert (type(here), str(here), here.violations, here.code) == (type(there), str(there), there.violations, there.code)
    assert here.violations[0].field == field and str(here).startswith(field)


def test_a_misspelt_name_gets_the_nearest():
    with weightinit.open("article_net") as weights:
        with pytest.raises(KeyError) as caught:
            weights["fc1.wieght"]
        assert "fc1.weight" in str(caught.value)
        assert "fc1.wieght" not in weights and weights.get("nope") is None
        with pytest.raises(TypeError):
            weights[0]


def test_a_file_error_names_the_line(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("tensors:\n  - name: w\n    shape: [2, 3]\n    init: sparse(sparsity=1.5)\n")
    recipe = weightinit.Recipe.load(path)
    with pytest.raises(errors.InvalidArgumentError) as caught:
        recipe.plan()
    assert str(caught.value) == f"{path}:4: tensors[0].init.sparse.sparsity: 1.5 is outside [0, 1]"
    assert caught.value.violations == (("tensors[0].init.sparse.sparsity", "1.5 is outside [0, 1]"),)
    path.write_text("tensors:\n  - nmae: w\n")
    with pytest.raises(errors.InvalidArgumentError, match=r":2: tensors\[0\].nmae: unknown key; did you mean 'name'"):
        weightinit.Recipe.load(path)
    with pytest.raises(errors.NotFoundError, match="neither a file nor a ready recipe"):
        weightinit.Recipe.load("resnet51")


def test_uncovered_tensors():
    recipe = weightinit.Recipe.from_dict({"tensors": [{"name": "w", "shape": [2]}], "rules": [{"name_regex": "x", "init": "zeros"}]})
    assert [tensor.name for tensor in recipe.tensors] == ["w"]
    error = caught_by(recipe.plan)
    assert isinstance(error, errors.FailedPreconditionError) and error.violations[0].field == "tensors[0]"


def test_the_server_refuses_by_its_limits_with_a_reason(tmp_path):
    import harness

    need("grpc")
    recipe = weightinit.Recipe.from_dict({"tensors": [{"name": "w", "shape": [1000, 1000], "init": "normal"}]})
    with harness.Server("--max-response-bytes", "1MiB") as small, weightinit.open(recipe, small.address) as weights:
        error = caught_by(lambda: weights["w"][...])
        assert isinstance(error, errors.ResourceExhaustedError) and error.reason == "LIMIT_EXCEEDED"
        assert "--max-response-bytes" in str(error)
        assert weights["w"][:10].shape == (10, 1000)


def test_errors_survive_pickling():
    error = caught_by(lambda: weightinit.open(weightinit.Recipe.from_dict(W))["x"])
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.violations, again.code) == (type(error), str(error), error.violations, error.code)


@pytest.mark.parametrize("source", ["loacl", "", "model.bin", "/nowhere/model"])
def test_what_is_no_source(source):
    with pytest.raises(errors.InvalidArgumentError, match="source"):
        weightinit.open("article_net", source)


def test_a_file_of_another_recipe(cli, tmp_path):
    path = tmp_path / "m.safetensors"
    cli("model", "article_net", "--seed", "1", "-o", path)
    with pytest.raises(errors.FailedPreconditionError, match="another recipe"):
        weightinit.open("article_net", str(path))
    with pytest.raises(errors.FailedPreconditionError, match="another recipe"):
        weightinit.open("article_net", str(path), check=False)
    with pytest.raises(errors.FailedPreconditionError, match="has no tensor|another recipe"):
        weightinit.open("resnet50", str(path))
    numpy = need("safetensors.numpy")
    with weightinit.open("article_net") as weights:
        numpy.save_file({name: weights[name][...] for name in weights}, path)
        with pytest.raises(errors.FailedPreconditionError, match="check=False"):
            weightinit.open("article_net", str(path))
        with weightinit.open("article_net", str(path), check=False) as held:
            assert held.digest() == weights.digest()
            with pytest.raises(errors.UnsupportedError):
                held["fc1.weight"].read(dtype="bfloat16")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(errors.InvalidArgumentError):
        weightinit.open("article_net", str(path))
    with pytest.raises(errors.NotFoundError):
        weightinit.open("article_net", str(tmp_path / "none.safetensors"))
