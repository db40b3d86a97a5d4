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
        (lambda weights: weights["w"].into(np.lib.stride_tricks.as_strided(np.zeros(4, np.float32), (4, 5), (4, 0))), ValueError, "array"),
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


@pytest.mark.parametrize(
    "action, class_, text",
    [
        (lambda recipe: recipe.with_seed(-1), ValueError, r"seed: -1 is outside \[0, 2\^64\)"),
        (lambda recipe: weightinit.Recipe.load("resnet50", seed=2**64), ValueError, "seed: 18446744073709551616 is outside"),
        (lambda recipe: recipe.with_seed(1.5), TypeError, "a seed is an int, not float"),
        (lambda recipe: recipe.with_generator(3), TypeError, "a generator is named by a str, not int"),
        (lambda recipe: weightinit.Recipe.parse(b""), TypeError, "a recipe's text is a str, not bytes"),
        (lambda recipe: weightinit.Recipe.from_dict({"tensors": [{"shape": {1}}]}), TypeError, "set is none of them"),
        (lambda recipe: weightinit.open(W), TypeError, "Recipe.from_dict makes one of a dict"),
        (lambda recipe: recipe.plan()["v"], KeyError, 'no tensor is named "v"'),
        (lambda recipe: weightinit.open(recipe, threads=-1), ValueError, "threads: -1; allowed: 0 or more"),
        (lambda recipe: weightinit.open(recipe, threads="2"), TypeError, "threads is an int, not str"),
        (lambda recipe: weightinit.open(recipe, "h:1", patience=float("nan")), ValueError, "patience: nan"),
        (lambda recipe: weightinit.open(recipe, "h:1", timeout="1"), TypeError, "timeout is a number, not str"),
        (lambda recipe: weightinit.open(recipe, "h:1", metadata=["ab"]), TypeError, "metadata are pairs"),
        (lambda recipe: weightinit.open(recipe, "h:1", metadata=[("A", "b")]), ValueError, "metadata: 'A': keys are in lower case"),
        (lambda recipe: weightinit.open(recipe, "h:1", credentials="x"), TypeError, "credentials are grpc.ChannelCredentials"),
        (lambda recipe: weightinit.open(recipe, "https://h:1"), ValueError, "source: 'https://h:1': a server's address is host:port"),
        (lambda recipe: weightinit.open(recipe).read_many("w"), TypeError, "takes a list of names"),
        (lambda recipe: weightinit.open(recipe).read_many([("w", 0), 3]), TypeError, "a read is a name or a tuple"),
        (lambda recipe: weightinit.digest([object()]), ValueError, "dtype: object is not drawn"),
        (lambda recipe: weightinit.digest(np.zeros(3, np.float32), 3), TypeError, "a part is"),
        (lambda recipe: weightinit.model_digest(recipe, {"v": 1}), KeyError, 'no tensor is named "v"'),
    ],
)
def test_wrong_uses_are_said(action, class_, text):
    with pytest.raises(class_, match=text):
        action(weightinit.Recipe.from_dict(W))


def test_numpys_numbers_in_a_recipe():
    entry = {"name": "w", "shape": np.array([2, 3]), "init": {"normal": {"std": np.float32(0.5)}}}
    assert weightinit.Recipe.from_dict({"seed": np.uint64(7), "tensors": [entry]}).tensors[0].shape == (2, 3)


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
