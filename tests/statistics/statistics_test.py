#!/usr/bin/env python3
"""Standard normals, as drawn, against the exact distribution.

    statistics_test.py [--streams 16] [--draws 1000000] [--tail-draws 1000000000]

Of each of `streams` pairs of seed and name, `draws` normals: moments up to the 6th, Kolmogorov-Smirnov, Anderson-Darling,
correlation of neighbours, of rows, of consecutive seeds, of names that differ in one character; the p-values of all streams
must themselves be uniform. Beside that the tails of `tail-draws` normals, and whether rounding to narrow dtypes is unbiased.

Everything is fixed, so a run repeats itself. A p-value below ALARM fails: by chance once in about 10^4 changes of the seeds.
"""
import argparse
import os
import subprocess
import sys
import unittest

from probe import ProbeTest, need

np = need("numpy")
special = need("scipy.special")
stats = need("scipy.stats")

ALARM = 1e-7
OPTIONS = argparse.Namespace(streams=16, draws=1_000_000, tail_draws=1_000_000_000)

MOMENTS = (0, 1, 0, 3, 0, 15)  # E z^k, k = 1 … 6
VARIANCES = (1, 2, 15, 96, 945, 10170)  # of z^k: E z^2k - (E z^k)^2


def two_sided(score):
    return float(special.erfc(abs(score) / np.sqrt(2)))


def kolmogorov_smirnov(cdf):
    """p of sorted F(z)."""
    n = cdf.size
    ranks = np.arange(n)
    distance = max(np.max(cdf - ranks / n), np.max((ranks + 1) / n - cdf))
    return float(stats.kstwo.sf(distance, n)) if n < 10**6 else float(special.kolmogorov(np.sqrt(n) * distance))


def anderson_darling(z):
    """p of sorted z. The limit distribution of A² by G. & J. Marsaglia, J. Stat. Softw. 9(2), 2004."""
    n = z.size
    weights = 2 * np.arange(1, n + 1) - 1
    a = float(-n - np.mean(weights * (special.log_ndtr(z) + special.log_ndtr(-z[::-1]))))
    if a < 2:
        below = np.exp(-1.2337141 / a) / np.sqrt(a) * (
            2.00012 + (0.247105 - (0.0649821 - (0.0347962 - (0.011672 - 0.00168691 * a) * a) * a) * a) * a)
    else:
        below = np.exp(-np.exp(1.0776 - (2.30695 - (0.43424 - (0.082433 - (0.008056 - 0.0003146 * a) * a) * a) * a) * a))
    return float(1 - below)


def float8_values(mantissa_bits, bias, largest):
    """The magnitudes of an 8-bit format in the order of their bits."""
    bits = np.arange(128)
    exponent, mantissa = bits >> mantissa_bits, bits & ((1 << mantissa_bits) - 1)
    scale = 2.0 ** (np.maximum(exponent, 1) - bias - mantissa_bits)
    return np.where(exponent == 0, mantissa, mantissa + (1 << mantissa_bits))[: largest + 1] * scale[: largest + 1]


def decode(data, dtype):
    if dtype == "BFLOAT16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    if dtype == "FLOAT16":
        return np.frombuffer(data, "<f2")
    bits = np.frombuffer(data, np.uint8)
    return np.where(bits & 0x80, -1, 1) * MAGNITUDES[dtype][bits & 0x7F]


MAGNITUDES = {
    "BFLOAT16": (np.arange(0x7F80, dtype=np.uint32) << 16).view(np.float32).astype(float),
    "FLOAT16": np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(float),
    "FLOAT8_E4M3FN": float8_values(3, 7, 0x7E),
    "FLOAT8_E5M2": float8_values(2, 15, 0x7B),
}


def expected_rounding_bias(dtype):
    """E(|round(z)| - |z|) of a standard normal z: not 0, since the density falls within a rounding interval."""
    values = MAGNITUDES[dtype]
    with np.errstate(over="ignore"):
        edges = np.concatenate([[0], (values[1:] + values[:-1]) / 2, [np.inf]])
    return float(np.sum(values * 2 * (special.ndtr(-edges[:-1]) - special.ndtr(-edges[1:]))) - np.sqrt(2 / np.pi))


class StatisticsTest(ProbeTest):
    def draw(self, seed, name, dtype="FLOAT32"):
        tensor = {"name": name, "shape": [OPTIONS.draws], "dtype": dtype, "init": {"normal": {}}}
        return self.probe.values(tensor, seed)[0]

    def z(self, seed, name):
        return np.frombuffer(self.draw(seed, name), "<f4").astype(float)

    def check(self, title, p_values):
        """Tells the smallest, and that all together are uniform."""
        p_values = np.asarray(p_values)
        smallest = p_values.min()
        together = stats.kstest(p_values, "uniform").pvalue if p_values.size >= 8 else None
        uniform = "" if together is None else f", uniform with p = {together:.3g}"
        print(f"{title:34s} {p_values.size:4d} p-values, smallest {smallest:.3g}{uniform}", flush=True)
        self.assertGreater(smallest, ALARM, title)
        if together is not None:
            self.assertGreater(together, ALARM, title)

    def test_streams(self):
        columns = int(np.sqrt(OPTIONS.draws))
        found = {}
        previous = None
        for stream in range(OPTIONS.streams):
            seed, name = stream // 2, f"layers.{stream % 2}.weight"
            z = self.z(seed, name)
            n = z.size
            power = np.ones(n)
            for k in range(6):
                power *= z
                score = (power.mean() - MOMENTS[k]) / np.sqrt(VARIANCES[k] / n)
                found.setdefault(f"moment {k + 1}", []).append(two_sided(score))
            correlation = lambda a, b: two_sided(np.dot(a, b) / np.sqrt(a.size))
            found.setdefault("correlation of neighbours", []).append(correlation(z[:-1], z[1:]))
            found.setdefault("correlation of pairs", []).append(correlation(z[0::2], z[1::2]))
            found.setdefault("correlation of squares of pairs", []).append(
                two_sided(np.dot(z[0::2]**2 - 1, z[1::2]**2 - 1) / np.sqrt(2 * n)))
            found.setdefault("correlation of rows", []).append(correlation(z[:-columns], z[columns:]))
            if previous is not None:
                kind = "names of one character apart" if stream % 2 else "consecutive seeds and names"
                found.setdefault(f"correlation, {kind}", []).append(correlation(previous, z))
            if stream % 2 == 0:
                found.setdefault("correlation of consecutive seeds", []).append(correlation(z, self.z(seed + 1, name)))
            previous = z.copy()
            z.sort()
            found.setdefault("Kolmogorov-Smirnov", []).append(kolmogorov_smirnov(special.ndtr(z)))
            found.setdefault("Anderson-Darling", []).append(anderson_darling(z))
        print(f"{OPTIONS.streams} streams of {OPTIONS.draws:,} normals")
        for title, p_values in found.items():
            with self.subTest(title):
                self.check(title, p_values)

    def test_tails(self):
        answer = subprocess.run([os.environ["WEIGHTINIT_TAIL_COUNTS"], str(OPTIONS.tail_draws)], check=True,
                                capture_output=True, text=True).stdout
        for line in answer.splitlines():
            sigma, below, above = map(int, line.split())
            expected = OPTIONS.tail_draws * float(special.ndtr(-sigma))
            for side, count in (("below", below), ("above", above)):
                p = min(1.0, 2 * min(stats.poisson.cdf(count, expected), stats.poisson.sf(count - 1, expected)))
                print(f"{side} {sigma} sigma: {count:,} of {OPTIONS.tail_draws:,}, expected {expected:,.2f}, p = {p:.3g}", flush=True)
                with self.subTest(sigma=sigma, side=side):
                    self.assertGreater(p, ALARM)

    def test_roundings_are_unbiased(self):
        z = self.z(0, "rounded")
        for dtype in MAGNITUDES:
            rounded = decode(self.draw(0, "rounded", dtype), dtype).astype(float)
            errors = np.abs(rounded) - np.abs(z)
            bias, expected = errors.mean(), expected_rounding_bias(dtype)
            p = two_sided((bias - expected) / (errors.std() / np.sqrt(errors.size)))
            print(f"{dtype:14s} rounding moves |z| by {bias:+.3e} on average, expected {expected:+.3e}, p = {p:.3g}", flush=True)
            with self.subTest(dtype):
                self.assertGreater(p, ALARM)

    def test_the_tests_see_what_is_wrong(self):
        rng = np.random.default_rng(1)
        z = np.sort(rng.standard_normal(10**6))
        self.assertGreater(kolmogorov_smirnov(special.ndtr(z)), 1e-3)
        self.assertGreater(anderson_darling(z), 1e-3)
        self.assertLess(kolmogorov_smirnov(special.ndtr(z + 0.01)), ALARM)
        self.assertLess(anderson_darling(z + 0.01), ALARM)
        self.assertLess(anderson_darling(np.clip(z, -2.5, 2.5)), ALARM)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option, value in vars(OPTIONS).items():
        parser.add_argument("--" + option.replace("_", "-"), type=int, default=value)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=sys.argv[:1] + rest)
