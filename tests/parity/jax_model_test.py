#!/usr/bin/env python3
"""Recipes with jax_threefry, against jax.nn.initializers.

Random kernels are drawn by jax under keys of random seeds, fold_ins and splits; the same is written as a recipe. What is
uniform must be equal, bit by bit; normals within 3 ulp before they are scaled, which is up to twice as many after;
orthogonal matrices within a tolerance. Needs jax (`make parity-jax`).
"""
import collections
import random
import unittest

from jax_threefry_test import LAYOUTS, NORMAL_ULPS, ulps
from probe import ProbeTest, need

jax = need("jax")
import numpy as np  # noqa: E402  (after `need`, which skips)

init = jax.nn.initializers
MODELS = 60
SHAPES = [[1, 1], [17, 40], [3, 3, 8, 5], [2, 31, 6]]  # few, since jax compiles for each
MODES = {"fan_in": "FAN_IN", "fan_out": "FAN_OUT", "fan_avg": "FAN_AVG", "fan_geo_avg": "FAN_GEO_AVG"}
UNIFORM, NORMAL, ORTHOGONAL = "uniform", "normal", "orthogonal"


def random_initializer(rng):
    """(kind, jax's, ours)"""
    scale, mode = rng.choice([1.0, 2.0, rng.uniform(0.1, 4)]), rng.choice(list(MODES))
    low = rng.uniform(-3, 3)
    high = low + rng.uniform(0, 4)
    scaling = lambda distribution: {"variance_scaling": {"scale": scale, "mode": MODES[mode], "distribution": distribution.upper()}}
    return rng.choice([
        (UNIFORM, init.uniform(scale), {"uniform": {"low": 0, "high": scale}}),
        (UNIFORM, lambda key, shape: jax.random.uniform(key, shape, minval=low, maxval=high), {"uniform": {"low": low, "high": high}}),
        (NORMAL, init.normal(scale), {"normal": {"std": scale}}),
        (NORMAL, init.truncated_normal(scale), {"truncated_normal": {"std": scale}}),
        (UNIFORM, init.variance_scaling(scale, mode, "uniform"), scaling("uniform")),
        (NORMAL, init.variance_scaling(scale, mode, "normal"), scaling("normal")),
        (NORMAL, init.variance_scaling(scale, mode, "truncated_normal"), scaling("truncated_normal")),
        (UNIFORM, init.glorot_uniform(), {"xavier_uniform": {}}),
        (UNIFORM, init.he_uniform(), {"kaiming_uniform": {"nonlinearity": "RELU"}}),
        (UNIFORM, init.lecun_uniform(), {"lecun_uniform": {}}),
        (NORMAL, init.lecun_normal(), {"lecun_normal": {}}),
        (NORMAL, init.glorot_normal(), {"variance_scaling": {"mode": "FAN_AVG"}}),
        (NORMAL, init.he_normal(), {"variance_scaling": {"scale": 2}}),
        (ORTHOGONAL, init.orthogonal(scale), {"orthogonal": {"gain": scale}}),
    ])


def random_tensor(rng, key, number):
    """(kind, jax's values, our spec) under a key of its own."""
    kind, initializer, ours = random_initializer(rng)
    shape = rng.choice([[17, 40], [40, 17]] if kind == ORTHOGONAL else SHAPES)
    spec = {"name": f"t{number}", "shape": shape, "init": ours, "fan": {"layout": "IN_OUT"}, "subsequence": str(number)}
    return kind, np.asarray(initializer(jax.random.fold_in(key, number), shape)), spec


class JaxModelTest(ProbeTest):
    def values_of(self, recipe, like):
        _, data = self.probe.ask(want="model", recipe=recipe)
        for values in like:
            ours, data = data[:values.nbytes], data[values.nbytes:]
            yield np.frombuffer(ours, np.float32).reshape(values.shape)
        self.assertEqual(data, b"")

    def test_random_models(self):
        rng = random.Random(20250117)
        counts, histogram, largest = collections.Counter(), collections.Counter(), 0.0
        for number in range(MODELS):
            layout = rng.choice(list(LAYOUTS))
            seed, folds = rng.getrandbits(32), [rng.getrandbits(32) for _ in range(rng.randint(0, 2))]
            with jax.threefry_partitionable(LAYOUTS[layout]):
                key = jax.random.key(seed)
                for data in folds:
                    key = jax.random.fold_in(key, data)
                tensors = [random_tensor(rng, key, i) for i in range(rng.randint(1, 4))]
            recipe = {"generator": {"jax_threefry": {"layout": layout, "fold_in": folds}}, "seed": str(seed),
                      "tensors": [spec for _, _, spec in tensors]}
            for (kind, expected, spec), ours in zip(tensors, self.values_of(recipe, [values for _, values, _ in tensors])):
                counts[kind] += 1
                if kind == UNIFORM:
                    self.assertEqual(ours.tobytes(), expected.tobytes(), (number, recipe["generator"], seed, spec))
                elif kind == NORMAL:
                    distance = ulps(ours, expected)
                    histogram.update(distance.reshape(-1).tolist())
                    self.assertLessEqual(int(distance.max()), 2 * NORMAL_ULPS, (number, seed, spec))
                else:
                    scale = spec["init"]["orthogonal"]["gain"]
                    largest = max(largest, float(np.abs(ours - expected).max()) / scale)
        print(f"{MODELS} models: {dict(counts)}")
        print("normals, ulps apart:", dict(sorted(histogram.items())))
        print(f"orthogonal, largest error: {largest:.2g}")
        self.assertLess(largest, 1e-5)

    def test_split_hands_out_subsequences(self):
        keys = jax.random.split(jax.random.key(7), 5)
        expected = [np.asarray(jax.random.uniform(key, (3,))) for key in keys]
        recipe = {"generator": {"jax_threefry": {}}, "seed": "7", "tensors": [
            {"name": f"t{i}", "shape": [3], "init": {"uniform": {}}, "subsequence": str(i)} for i in range(5)]}
        for ours, values in zip(self.values_of(recipe, expected), expected):
            self.assertEqual(ours.tobytes(), values.tobytes())


if __name__ == "__main__":
    print("jax", jax.__version__)
    unittest.main()
