#!/usr/bin/env python3
"""The library against two computations of docs/philox-v1.md in NumPy.

philox_v1_numpy.py here follows the document's prose: bit-exact where the prose is, within its tolerance where it
allows one. tools/philox_v1_numpy.py also follows its appendix, and then everything is bit-exact. Needs python3-numpy
and python3-scipy.
"""
import importlib.util
import math
import pathlib
import unittest

from probe import Probe, need

np = need("numpy")
need("scipy")
import philox_v1_numpy as reference  # noqa: E402 (needs both)

SEED, NAME = 0x0123456789ABCDEF, "fc1.weight"
SUBSEQUENCE = 0xF3B4A76504BD528C
DTYPES = {"FLOAT32": np.uint32, "BFLOAT16": np.uint16, "FLOAT16": np.uint16, "FLOAT64": np.uint64,
          "FLOAT8_E4M3FN": np.uint8, "FLOAT8_E5M2": np.uint8}
COUNT = 30000
FAR = [0, 2**20 + 1, 2**34 + 5, 2**40 + 3, 2**59 - 1001]


def appendix():
    """tools/philox_v1_numpy.py."""
    path = pathlib.Path(__file__).resolve().parents[2] / "tools" / "philox_v1_numpy.py"
    spec = importlib.util.spec_from_file_location("philox_v1_appendix", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class NumpyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.probe = Probe()
        cls.appendix = appendix()

    @classmethod
    def tearDownClass(cls):
        cls.probe.close()

    def bits(self, init, dtype="FLOAT32", first=0, count=COUNT, seed=SEED, name=NAME, shape=None):
        """Bit patterns of elements first … of a tensor that is long enough, or of all of `shape`."""
        tensor = {"name": name, "shape": shape or [first + count], "dtype": dtype, "init": init}
        selection = None if shape else {"slice": {"flat": {"start": first}}}
        data, _ = self.probe.values(tensor, seed, selection)
        return np.frombuffer(data, dtype=DTYPES[dtype])

    def z(self, init, **where):
        return self.bits(init, **where).view(np.float32)

    def assert_bits(self, ours, theirs, case):
        different = np.flatnonzero(ours != theirs)
        self.assertEqual(different.size, 0, f"{case}: {different.size} differ, the first at {different[:1]}")

    # Words.

    def test_known_answers_of_philox(self):
        def of(counter, key):
            return [f"{w:08x}" for w in reference.philox_4x32_10(np.array([counter], dtype=np.uint64), key)[0]]

        ones = 2**32 - 1
        self.assertEqual(of([0] * 4, (0, 0)), ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"])
        self.assertEqual(of([ones] * 4, (ones, ones)), ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"])
        self.assertEqual(of([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], (0xA4093822, 0x299F31D0)),
                         ["d16cfe09", "94fdcceb", "5001e420", "24126ea1"])

    def test_words_of_every_plane_near_and_far(self):
        for plane in range(4):
            for first in FAR:
                _, data = self.probe.ask(want="words", seed=SEED, subsequence=SUBSEQUENCE, plane=plane, first=first,
                                         count=101)
                self.assert_bits(np.frombuffer(data, dtype=np.uint32),
                                 reference.words(SEED, SUBSEQUENCE, range(first, first + 101), plane), (plane, first))

    def test_subsequences(self):
        self.assertEqual(reference.subsequence_of(""), 0x6574F204042808BD)
        for name in ["fc1.weight", "", "a\0b", "слой.0.вес", "層", "x" * 3000, "𝔴"]:
            plan = self.probe.plan({"name": name, "shape": [2], "init": {"normal": {}}})
            self.assertEqual(plan["subsequence"], reference.subsequence_of(name), name)

    # Values.

    def test_uniform_in_every_dtype(self):
        for low, high in [(0, 1), (-0.37, 0.11), (-0.5, 0.5), (-1e-40, 3e-40), (1.0, 1.0000001), (-3e38, 3e38),
                          (-500, 100)]:
            for first in FAR[:4]:
                indices = range(first, first + 3000)
                x32 = reference.uniform(SEED, SUBSEQUENCE, indices, low, high)
                x64 = reference.uniform(SEED, SUBSEQUENCE, indices, low, high, np.float64)
                for dtype in DTYPES:
                    ours = self.bits({"uniform": {"low": low, "high": high}}, dtype, first, 3000)
                    theirs = reference.to_bits(x64 if dtype == "FLOAT64" else x32, dtype)
                    self.assert_bits(ours, theirs, (low, high, first, dtype))

    def test_normal_within_the_documents_tolerance(self):
        worst = 0
        for first in FAR:
            z = self.z({"normal": {}}, first=first).astype(np.float64)
            exact = reference.exact_normal_z(SEED, SUBSEQUENCE, range(first, first + COUNT))
            error = np.abs(z - exact) / reference.tolerance(exact, 6)
            worst = max(worst, error.max())
            self.assertLessEqual(error.max(), 1, f"from {first}, element {error.argmax()}")
        print(f"normal: at most {worst:.3f} of the tolerance")

    def test_truncated_normal_within_the_documents_tolerance(self):
        worst = 0
        for a, b in [(-2, 2), (-0.1, 0.05), (-100, 100), (1, 2), (-3, -2.5), (5, 8.5), (7.5, math.inf), (0, 1),
                     (-math.inf, 0.3), (-8, -8), (-math.inf, -7.9)]:
            low = a if math.isfinite(a) else ("Infinity" if a > 0 else "-Infinity")
            high = b if math.isfinite(b) else ("Infinity" if b > 0 else "-Infinity")
            for first in FAR[:2]:
                z = self.z({"truncated_normal": {"low": low, "high": high}}, first=first).astype(np.float64)
                exact = reference.exact_truncated_z(SEED, SUBSEQUENCE, range(first, first + COUNT), a, b)
                error = np.abs(z - exact) / reference.tolerance(exact, 8)
                worst = max(worst, error.max())
                self.assertLessEqual(error.max(), 1, f"[{a}, {b}] from {first}, element {error.argmax()}")
                self.assertTrue((z >= np.float32(a)).all() and (z <= np.float32(b)).all())
        print(f"truncated_normal: at most {worst:.3f} of the tolerance")

    def test_scale_shift_and_rounding_are_exact_given_z(self):
        z = self.z({"normal": {}})
        t = self.z({"truncated_normal": {"low": -1.5, "high": 3}})
        for mean, std in [(0, 0.02), (0.3, 1.7), (-5, 1e-3), (0, 1e-42), (1e30, 1e30), (0, 100)]:
            for dtype in DTYPES:
                kind = np.float64 if dtype == "FLOAT64" else np.float32
                ours = self.bits({"normal": {"mean": mean, "std": std}}, dtype)
                self.assert_bits(ours, reference.to_bits(reference.affine(z, mean, std, kind), dtype),
                                 ("normal", mean, std, dtype))
                ours = self.bits({"truncated_normal": {"mean": mean, "std": std, "low": -1.5, "high": 3}}, dtype)
                self.assert_bits(ours, reference.to_bits(reference.affine(t, mean, std, kind), dtype),
                                 ("truncated_normal", mean, std, dtype))

    def test_absolute_bounds_clamp_values(self):
        mean, std, low, high = 0.1, 0.3, -0.2, 0.7
        plan = self.probe.plan({"shape": [2], "init": {"truncated_normal": {
            "mean": mean, "std": std, "low": low, "high": high, "bounds": "ABSOLUTE"}}})
        a, b = plan["numbers"]["low_sigma"], plan["numbers"]["high_sigma"]
        self.assertEqual((a, b), ((low - mean) / std, (high - mean) / std))
        z = self.z({"truncated_normal": {"low": a, "high": b}})
        for dtype in DTYPES:
            kind = np.float64 if dtype == "FLOAT64" else np.float32
            x = np.clip(reference.affine(z, mean, std, kind), kind(low), kind(high))
            ours = self.bits({"truncated_normal": {"mean": mean, "std": std, "low": low, "high": high,
                                                   "bounds": "ABSOLUTE"}}, dtype)
            self.assert_bits(ours, reference.to_bits(x, dtype), dtype)

    def test_constants_round_once(self):
        for value in [0.1, -0.0, 1e-45, 65519.99, 65520, 1e9, -464, 465, 57345, 0.0009765625, 3.3e38, 2**-10 * 1.5]:
            for dtype in DTYPES:
                x = np.array([value], dtype=np.float64 if dtype == "FLOAT64" else np.float32)
                ours = self.bits({"constant": {"value": value}}, dtype, count=1)
                self.assert_bits(ours, reference.to_bits(x, dtype), (value, dtype))

    def test_float16_agrees_with_numpys_own(self):
        rng = np.random.default_rng(3)
        x = (rng.normal(size=50000) * np.exp2(rng.integers(-26, 18, 50000))).astype(np.float32)
        with np.errstate(over="ignore"):
            self.assert_bits(reference.to_bits(x, "FLOAT16"), x.astype(np.float16).view(np.uint16), "the test's table")

    # The appendix, bit for bit.

    def test_normal_is_the_appendixs_bit_for_bit(self):
        for first in FAR:
            indices = np.arange(first, first + COUNT, dtype=np.uint64)
            for mean, std in [(0.0, 1.0), (0.3, 0.02)]:
                for dtype in DTYPES:
                    theirs = self.appendix.normal(SEED, SUBSEQUENCE, indices, (mean, std), dtype)
                    ours = self.bits({"normal": {"mean": mean, "std": std}}, dtype, first)
                    self.assert_bits(ours, self.appendix.bits(theirs), (first, mean, std, dtype))

    def test_truncated_normal_is_the_appendixs_bit_for_bit(self):
        for a, b in [(-2.0, 2.0), (-0.1, 0.05), (1.0, 2.0), (5.0, 8.5), (-100.0, 100.0)]:
            init = {"truncated_normal": {"mean": 0.3, "std": 0.02, "low": a, "high": b}}
            numbers = self.probe.plan({"shape": [1], "init": init})["numbers"]
            # The C library's erfc may round another way than the library's own; the plan shows what it used.
            probabilities = tuple(numbers[name] for name in ("below_low", "above_high", "between"))
            exact = self.appendix.truncated_probabilities(a, b)
            np.testing.assert_allclose(probabilities, exact, rtol=1e-13)
            for first in FAR[:3]:
                indices = np.arange(first, first + COUNT, dtype=np.uint64)
                for dtype in DTYPES:
                    theirs = self.appendix.truncated_normal(SEED, SUBSEQUENCE, indices, (0.3, 0.02, a, b), dtype,
                                                            probabilities)
                    self.assert_bits(self.bits(init, dtype, first), self.appendix.bits(theirs), (a, b, first, dtype))

    # Structured methods.

    def test_sparse_zeros_the_smallest_words_of_each_column(self):
        for rows, cols, sparsity in [(37, 23, 0.1), (200, 3, 0.9), (5, 101, 0.5), (7, 7, 0.3), (1, 9, 0.01), (4, 4, 0),
                                     (4, 4, 1)]:
            zeros = reference.sparse_zeros(SEED, SUBSEQUENCE, rows, cols, sparsity).ravel()
            for dtype in DTYPES:
                ours = self.bits({"sparse": {"sparsity": sparsity, "std": 2}}, dtype, shape=[rows, cols])
                normal = self.bits({"normal": {"std": 2}}, dtype, shape=[rows, cols])
                self.assert_bits(ours, np.where(zeros, 0, normal), (rows, cols, sparsity, dtype))

    def gaussian(self, rows, cols):
        """The float32 z of the appendix, which the library's normal equals."""
        z = self.appendix.normal(SEED, SUBSEQUENCE, np.arange(rows * cols, dtype=np.uint64))
        return z.reshape(rows, cols)

    def test_orthogonal_is_the_factor_of_the_gaussian_matrix(self):
        worst = 0
        for shape in [[64, 64], [100, 30], [30, 100], [1, 9], [9, 1], [1, 1], [40, 2, 3, 5], [129, 128], [65, 200]]:
            rows, cols = shape[0], math.prod(shape[1:])
            expected = reference.orthogonal_factor(self.gaussian(rows, cols).astype(np.float64))
            q = self.bits({"orthogonal": {}}, shape=shape).view(np.float32).reshape(rows, cols)
            worst = max(worst, np.abs(q - expected).max())
            self.assertLessEqual(np.abs(q - expected).max(), 2.0**-10, shape)
            tall = q.T if rows < cols else q
            q64 = tall.astype(np.float64)
            self.assertLessEqual(np.abs(q64.T @ q64 - np.eye(q64.shape[1])).max(), 1e-5, shape)
            g = self.gaussian(rows, cols)
            r = q64.T @ (g.T if rows < cols else g)
            self.assertTrue((np.diagonal(r) >= 0).all(), shape)
            for gain in [1.5, 0.1]:
                for dtype in DTYPES:
                    kind = np.float64 if dtype == "FLOAT64" else np.float32
                    ours = self.bits({"orthogonal": {"gain": gain}}, dtype, shape=shape)
                    self.assert_bits(ours, reference.to_bits((kind(gain) * q.astype(kind)).ravel(), dtype),
                                     (shape, gain, dtype))
        print(f"orthogonal: at most {worst:.2e} from NumPy's factor")

    def test_delta_orthogonal_is_orthogonal_in_the_centre_tap(self):
        for shape in [[12, 5, 3], [6, 6, 4, 5], [7, 3, 1, 2, 3]]:
            q = self.bits({"orthogonal": {"gain": 3}}, shape=shape[:2]).reshape(shape[:2])
            expected = np.zeros(shape, dtype=np.uint32)
            expected[(slice(None), slice(None)) + tuple((k - 1) // 2 for k in shape[2:])] = q
            ours = self.bits({"delta_orthogonal": {"gain": 3}}, shape=shape)
            self.assert_bits(ours, expected.ravel(), shape)

    # Digests.

    def test_digests(self):
        shape = [10, 100]
        for dtype in DTYPES:
            tensor = {"name": NAME, "shape": shape, "dtype": dtype, "init": {"uniform": {"low": -0.37, "high": 0.11}}}
            data, digest = self.probe.values(tensor, SEED)
            self.assertEqual(digest, reference.digest(np.frombuffer(data, DTYPES[dtype]), range(1000)), dtype)
            if dtype == "FLOAT32":
                self.assertEqual(digest, 0x2698F5E6FB244BF8)
            step = {"slice": {"box": {"dims": [{"start": 3, "step": 2}, {"start": 7, "size": 9, "step": 5}]}}}
            data, digest = self.probe.values(tensor, SEED, step)
            indices = np.arange(1000).reshape(shape)[3::2, 7:52:5].ravel()
            self.assertEqual(digest, reference.digest(np.frombuffer(data, DTYPES[dtype]), indices), dtype)
            self.assertEqual(self.probe.plan(tensor)["digest_weight"], reference.digest_weight(NAME, dtype, shape))


if __name__ == "__main__":
    print("numpy", np.__version__)
    unittest.main()
