#!/usr/bin/env python3
"""JAX_THREEFRY against jax: keys, bits and uniform values bit by bit, normals within 3 ulp.

Needs jax with its CPU backend (`make parity-jax` installs it into an environment of its own).
"""
import collections
import random
import unittest

from probe import ProbeTest, need

jax = need("jax")
import jax.numpy as jnp  # noqa: E402  (after `need`, which skips)
import numpy as np  # noqa: E402

LAYOUTS = {"PARTITIONABLE": True, "LEGACY": False}
NORMAL_ULPS = 3
CASES = 150


def ulps(a, b):
    ordinals = [np.where(x < 0, np.int64(-2**31) - x, x) for x in (v.view(np.int32).astype(np.int64) for v in (a, b))]
    return np.abs(ordinals[0] - ordinals[1])


class JaxThreefryTest(ProbeTest):
    def ask(self, dtype, **question):
        return np.frombuffer(self.probe.ask(**question)[1], dtype=dtype)

    def each(self, seed):
        """Random keys under both layouts: (layout, jax's key, its words, rng)."""
        rng = random.Random(seed)
        for number in range(CASES):
            layout = list(LAYOUTS)[number % 2]
            with jax.threefry_partitionable(LAYOUTS[layout]):
                key = jax.random.key(rng.getrandbits(32))
                yield layout, key, [int(word) for word in jax.random.key_data(key)], rng

    def test_keys(self):
        for layout, key, words, rng in self.each(1):
            folds = [rng.getrandbits(32) for _ in range(rng.randint(0, 4))]
            seed = words[1]
            expected = jax.random.key(seed)
            for data in folds:
                expected = jax.random.fold_in(expected, data)
            self.assertEqual(self.ask(np.uint32, call="key", seed=seed, fold_in=folds).tolist(),
                             jax.random.key_data(expected).tolist())
            count = rng.randint(1, 9)
            self.assertEqual(self.ask(np.uint32, call="split", key=words, layout=layout, count=count).tolist(),
                             jax.random.key_data(jax.random.split(key, count)).reshape(-1).tolist(), (layout, count))

    def test_bits(self):
        for layout, key, words, rng in self.each(2):
            n, bits = rng.choice([1, 2, 3, rng.randint(1, 5000)]), rng.choice([8, 16, 32])
            expected = np.asarray(jax.random.bits(key, (n,), f"uint{bits}")).astype(np.uint32)
            ours = self.ask(np.uint32, call="bits", key=words, layout=layout, bits=bits, n=n)
            self.assertTrue((ours == expected).all(), (layout, words, bits, n))

    def test_uniform(self):
        for layout, key, words, rng in self.each(3):
            n = rng.choice([1, 3, rng.randint(1, 20000)])
            low = rng.choice([0.0, -1.0, rng.uniform(-10, 10)])
            high = low + rng.choice([1.0, 2.0, rng.uniform(0, 20)])
            low, high = float(np.float32(low)), float(np.float32(high))
            expected = np.asarray(jax.random.uniform(key, (n,), minval=low, maxval=high))
            ours = self.ask(np.float32, call="uniform", key=words, layout=layout, n=n, minval=low, maxval=high)
            self.assertEqual(ours.tobytes(), expected.tobytes(), (layout, words, n, low, high))

    def assert_close(self, ours, expected, histogram):
        distance = ulps(ours, expected)
        histogram.update(distance.tolist())
        self.assertLessEqual(int(distance.max()), NORMAL_ULPS)

    def test_normal(self):
        histogram = collections.Counter()
        for layout, key, words, rng in self.each(4):
            n = rng.choice([1, 3, rng.randint(1, 20000)])
            self.assert_close(self.ask(np.float32, call="normal", key=words, layout=layout, n=n),
                              np.asarray(jax.random.normal(key, (n,))), histogram)
        print("normal, ulps apart:", dict(sorted(histogram.items())))

    def test_truncated_normal(self):
        histogram, largest = collections.Counter(), 0.0
        for layout, key, words, rng in self.each(5):
            n = rng.randint(1, 5000)
            as_initializers = rng.random() < 0.7
            lower, upper = (-2.0, 2.0) if as_initializers else (-rng.uniform(0.5, 3), rng.uniform(0.5, 3))
            lower, upper = float(np.float32(lower)), float(np.float32(upper))
            ours = self.ask(np.float32, call="truncated_normal", key=words, layout=layout, n=n, lower=lower, upper=upper)
            expected = np.asarray(jax.random.truncated_normal(key, lower, upper, (n,)))
            if as_initializers:
                self.assert_close(ours, expected, histogram)
            else:  # XLA's erf of other bounds may be an ulp off, which the tails enlarge
                largest = max(largest, float(np.abs(ours - expected).max()))
        print("truncated_normal in ±2, ulps apart:", dict(sorted(histogram.items())), "other bounds, largest error:", largest)
        self.assertLess(largest, 1e-5)


if __name__ == "__main__":
    print("jax", jax.__version__)
    unittest.main()
