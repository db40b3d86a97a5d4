"""Recipes and plans."""

import copy
import pickle

import math

import ml_dtypes
import numpy as np
import pytest
from conftest import MIXED

import weightinit


def test_tensors_as_written():
    recipe = weightinit.Recipe.from_dict(MIXED)
    assert [tensor.name for tensor in recipe.tensors] == [tensor["name"] for tensor in MIXED["tensors"]]
    by_name = {tensor.name: tensor for tensor in recipe.tensors}
    assert by_name["fc1.weight"] == ("fc1.weight", (120, 40), np.dtype(np.float32), "Linear", False)
    assert by_name["norm"].dtype == ml_dtypes.bfloat16 and by_name["steps"].buffer


def test_the_plan_explains():
    plan = weightinit.Recipe.from_dict(MIXED).plan()
    assert len(plan) == len(MIXED["tensors"])
    fc1 = plan["fc1.weight"]
    assert fc1.initializer == "kaiming_uniform(nonlinearity=RELU)"
    assert fc1.expected_std == pytest.approx(math.sqrt(2 / 40))
    assert plan.report.tensor_count == len(plan) and plan.report.drawable
    assert any(line.startswith("fc1.weight") and "fan_in = 40" in line for line in str(plan).splitlines())


def test_seeds_names_and_fingerprints():
    recipe = weightinit.Recipe.load("article_net", seed=3)
    assert recipe.seed == 3 and recipe.with_seed(4).seed == 4 and recipe.seed == 3
    assert recipe.fingerprint != recipe.with_seed(4).fingerprint
    assert recipe.fingerprint == weightinit.Recipe.load("article_net").with_seed(3).fingerprint == recipe.plan().report.fingerprint.hex()
    assert {"article_net", "resnet50"} <= set(weightinit.ready_recipes())
    with pytest.raises(weightinit.errors.InvalidArgumentError):
        recipe.with_seed(-1)


@pytest.mark.parametrize("copy", [copy.deepcopy, lambda recipe: pickle.loads(pickle.dumps(recipe))])
def test_a_recipe_may_be_copied_and_sent(copy):
    recipe = weightinit.Recipe.from_dict({**MIXED, "seed": 2**64 - 1})
    assert copy(recipe).message() == recipe.message() and copy(recipe).fingerprint == recipe.fingerprint


def test_the_message_is_the_recipe():
    message = weightinit.Recipe.from_dict(MIXED).message()
    assert message.seed == 7 and message.rules[0].module == "Linear" and len(message.tensors) == len(MIXED["tensors"])


def test_renames_and_wrappers_lead_to_tensors():
    recipe = weightinit.Recipe.from_dict(
        {
            "tensors": [{"name": "fc.weight", "shape": [3, 2], "init": "normal"}],
            "renames": [{"name_regex": r"model\.(.*)", "rewrite": r"\1"}],
        }
    )
    with weightinit.open(recipe) as weights:
        for name in ("fc.weight", "model.fc.weight", "module._orig_mod.fc.weight"):
            assert weights[name].name == "fc.weight"
            assert weights[name][...].tobytes() == weights["fc.weight"][...].tobytes()
