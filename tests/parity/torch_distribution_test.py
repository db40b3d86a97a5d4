#!/usr/bin/env python3
"""Drawn values against torch's: two-sample Kolmogorov-Smirnov tests, and equality where nothing is random.

Seeds are fixed on both sides, so a run repeats itself. Each comparison would raise a false alarm for one in 10^9 pairs
of seeds; with the comparisons here, once in about 10^8 changes of a seed. A million values tell distributions apart
that differ by 0.005 anywhere in their distribution functions. Needs python3-torch and python3-numpy.
"""
import math
import unittest

from probe import ProbeTest, need

np = need("numpy")
torch = need("torch")
init = torch.nn.init

FALSE_ALARM_RATE = 1e-9
SHAPE = [1000, 1000]


def ks_distance(a, b):
    a, b = np.sort(a), np.sort(b)
    both = np.concatenate([a, b])
    return np.abs(np.searchsorted(a, both, side="right") / a.size
                  - np.searchsorted(b, both, side="right") / b.size).max()


def ks_threshold(n, m):
    """What the distance of two samples of one distribution stays below (Smirnov's asymptotic formula)."""
    return math.sqrt(-math.log(FALSE_ALARM_RATE / 2) / 2 * (n + m) / (n * m))


class TorchDistributionTest(ProbeTest):
    def ours(self, shape, method, parameters=None, seed=1, dtype="FLOAT32"):
        data, _ = self.probe.values({"name": "w", "shape": shape, "dtype": dtype, "init": {method: parameters or {}}},
                                    seed)
        kinds = {"FLOAT32": np.float32, "FLOAT64": np.float64, "FLOAT16": np.float16, "INT64": np.int64}
        return np.frombuffer(data, dtype=kinds[dtype]).reshape(shape)

    @staticmethod
    def torchs(shape, function, seed=1, dtype=torch.float32, **parameters):
        torch.manual_seed(seed)
        return function(torch.empty(shape, dtype=dtype), **parameters).numpy()

    def assert_same_distribution(self, ours, torchs):
        ours, torchs = ours.ravel(), torchs.ravel()
        distance, threshold = ks_distance(ours, torchs), ks_threshold(ours.size, torchs.size)
        self.assertLess(distance, threshold)

    def test_the_statistic_tells_apart_what_differs(self):
        rng = np.random.default_rng(1)
        a, b = rng.normal(size=10**6), rng.normal(size=10**6)
        self.assertLess(ks_distance(a, b), ks_threshold(a.size, b.size))
        self.assertGreater(ks_distance(a, b * 1.03), ks_threshold(a.size, b.size))
        self.assertGreater(ks_distance(a, b + 0.02), ks_threshold(a.size, b.size))

    def test_uniform(self):
        self.assert_same_distribution(self.ours(SHAPE, "uniform", {"low": -0.3, "high": 1.2}),
                                      self.torchs(SHAPE, init.uniform_, a=-0.3, b=1.2))

    def test_normal(self):
        self.assert_same_distribution(self.ours(SHAPE, "normal", {"mean": 0.3, "std": 0.02}),
                                      self.torchs(SHAPE, init.normal_, mean=0.3, std=0.02))

    def test_truncated_normal_absolute_is_trunc_normal(self):
        for mean, std, low, high in [(0, 1, -2, 2), (0.5, 1, -1, 3), (0, 0.02, -2, 2), (0, 1, -0.5, 0.1), (0, 1, 1, 2)]:
            with self.subTest(mean=mean, std=std, low=low, high=high):
                parameters = {"mean": mean, "std": std, "low": low, "high": high, "bounds": "ABSOLUTE"}
                ours = self.ours(SHAPE, "truncated_normal", parameters)
                self.assertGreaterEqual(ours.min(), np.float32(low))
                self.assertLessEqual(ours.max(), np.float32(high))
                # In binary64: torch's binary32 erfinv distorts its own tails.
                self.assert_same_distribution(
                    ours, self.torchs(SHAPE, init.trunc_normal_, dtype=torch.float64, mean=mean, std=std, a=low,
                                      b=high))

    def test_xavier(self):
        for shape in [SHAPE, [100, 50, 20, 10]]:
            for kind in ["uniform", "normal"]:
                with self.subTest(shape=shape, kind=kind):
                    self.assert_same_distribution(
                        self.ours(shape, f"xavier_{kind}", {"nonlinearity": "TANH"}),
                        self.torchs(shape, getattr(init, f"xavier_{kind}_"), gain=init.calculate_gain("tanh")))

    def test_kaiming(self):
        for shape in [SHAPE, [100, 50, 20, 10]]:
            for kind in ["uniform", "normal"]:
                for mode in ["fan_in", "fan_out"]:
                    with self.subTest(shape=shape, kind=kind, mode=mode):
                        self.assert_same_distribution(
                            self.ours(shape, f"kaiming_{kind}", {"mode": mode.upper(), "nonlinearity": "RELU"}),
                            self.torchs(shape, getattr(init, f"kaiming_{kind}_"), mode=mode, nonlinearity="relu"))

    def test_orthogonal(self):
        """Elements of one matrix depend on one another, so only a few of many small ones are taken."""
        for shape in [[40, 30], [30, 40]]:
            ours, torchs = [], []
            for seed in range(200):
                ours.append(self.ours(shape, "orthogonal", {"gain": 2}, seed=seed)[::7, ::5])
                torchs.append(self.torchs(shape, init.orthogonal_, seed=seed, gain=2)[::7, ::5])
            self.assert_same_distribution(np.concatenate(ours), np.concatenate(torchs))
        q = self.ours([300, 120], "orthogonal").astype(np.float64)
        self.assertLess(np.abs(q.T @ q - np.eye(120)).max(), 1e-5)

    def test_sparse(self):
        for rows, cols, sparsity in [(1000, 1120, 0.1), (501, 300, 0.9), (10, 7, 0.25), (3, 5, 0), (3, 5, 1), (7, 7, 0.3)]:
            with self.subTest(rows=rows, cols=cols, sparsity=sparsity):
                ours = self.ours([rows, cols], "sparse", {"sparsity": sparsity, "std": 0.5})
                torchs = self.torchs([rows, cols], init.sparse_, sparsity=sparsity, std=0.5)
                zeros = (ours == 0).sum(axis=0)
                np.testing.assert_array_equal(zeros, (torchs == 0).sum(axis=0))
                self.assertEqual(set(zeros), {math.ceil(sparsity * rows)})
                self.assertFalse(np.signbit(ours[ours == 0]).any())
                if zeros[0] < rows:
                    self.assert_same_distribution(ours[ours != 0], torchs[torchs != 0])

    def test_rows_of_sparse_zeros_are_uniform(self):
        """Each row is zero in sparsity·cols columns, give or take chance: 6.5 standard deviations, 1 in 10^10."""
        cols, sparsity = 20000, 0.25
        zeros = (self.ours([40, cols], "sparse", {"sparsity": sparsity}) == 0).sum(axis=1)
        self.assertLess(np.abs(zeros - sparsity * cols).max(), 6.5 * math.sqrt(cols * sparsity * (1 - sparsity)))

    def test_dirac_is_torchs_bit_for_bit(self):
        for shape, groups in [([4, 4, 3], 1), ([8, 3, 4], 2), ([6, 9, 3, 3], 3), ([12, 2, 2, 5, 4], 4), ([5, 7, 1], 1)]:
            torchs = init.dirac_(torch.empty(shape), groups).numpy()
            ours = self.ours(shape, "dirac", {"groups": groups})
            np.testing.assert_array_equal(ours.view(np.uint32), torchs.view(np.uint32), f"{shape} {groups}")

    def test_eye_is_torchs_bit_for_bit(self):
        for shape in [[5, 5], [3, 8], [8, 3], [1, 4]]:
            torchs = init.eye_(torch.empty(shape)).numpy()
            np.testing.assert_array_equal(self.ours(shape, "eye").view(np.uint32), torchs.view(np.uint32))

    def test_filled_tensors_are_torchs_bit_for_bit(self):
        for shape in [[7], [3, 5], []]:
            for method, function, parameters in [
                    ("zeros", init.zeros_, {}), ("ones", init.ones_, {}), ("constant", init.constant_, {"value": 0.1})]:
                torchs = function(torch.empty(shape), *parameters.values()).numpy()
                np.testing.assert_array_equal(self.ours(shape, method, parameters), torchs)
                for dtype, kind in [("FLOAT64", torch.float64), ("FLOAT16", torch.float16)]:
                    torchs = function(torch.empty(shape, dtype=kind), *parameters.values()).numpy()
                    np.testing.assert_array_equal(self.ours(shape, method, parameters, dtype=dtype), torchs)
        np.testing.assert_array_equal(self.ours([3], "constant", {"value": -5}, dtype="INT64"),
                                      init.constant_(torch.empty([3], dtype=torch.int64), -5).numpy())


if __name__ == "__main__":
    print("torch", torch.__version__, "numpy", np.__version__)
    unittest.main()
