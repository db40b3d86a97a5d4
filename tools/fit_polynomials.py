#!/usr/bin/env python3
"""Fits the polynomials of PHILOX_V1 and writes lib/source/kernels/coefficients.h.

  tools/fit_polynomials.py | clang-format --assume-filename=a.h > lib/source/kernels/coefficients.h

Needs mpmath. Each polynomial is a weighted minimax fit (Remez exchange, 40 digits), rounded to binary32; then single
coefficients are moved by whole ulps as long as that lowers the largest error of the rounded polynomial. The program
is deterministic, so its output can be compared with the header that is checked in. The header is frozen with the
first release: the weights of every PHILOX_V1 normal and truncated normal depend on it.
"""
import struct
import sys
from functools import lru_cache

import mpmath as mp

mp.mp.dps = 40


def round_f32(x):
    """The binary32 nearest to x, as an mpf. REQUIRES: a normal number."""
    return mp.mpf(struct.unpack("<f", struct.pack("<f", float(x)))[0])


def step_f32(x, ulps):
    bits = struct.unpack("<I", struct.pack("<f", float(x)))[0] + ulps
    return mp.mpf(struct.unpack("<f", struct.pack("<I", bits))[0])


def chebyshev_grid(low, high, count):
    return [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * mp.mpf(i) / count)
            for i in range(count + 1)]


def remez(f, weight, low, high, degree, rounds=15, count=1200):
    """Coefficients, constant first, that minimize max |weight (f - P)| on [low, high]."""
    n = degree + 2
    grid = chebyshev_grid(low, high, count)
    values, weights = [f(x) for x in grid], [weight(x) for x in grid]
    nodes = [round(i * count / (n - 1)) for i in range(n)]
    for _ in range(rounds):
        system, right = mp.matrix(n, n), mp.matrix(n, 1)
        for row, i in enumerate(nodes):
            for j in range(degree + 1):
                system[row, j] = grid[i] ** j
            system[row, degree + 1] = (-1) ** row / weights[i]
            right[row] = values[i]
        solution = mp.lu_solve(system, right)
        coefficients = [solution[j] for j in range(degree + 1)]
        error = [weights[i] * (values[i] - mp.polyval(coefficients[::-1], grid[i]))
                 for i in range(count + 1)]
        extrema, current = [], 0
        for i in range(1, count + 1):
            if (error[i] > 0) != (error[current] > 0):
                extrema.append(current)
                current = i
            elif abs(error[i]) > abs(error[current]):
                current = i
        extrema.append(current)
        while len(extrema) > n:
            extrema.pop(0 if abs(error[extrema[0]]) < abs(error[extrema[-1]]) else -1)
        if len(extrema) < n:
            break
        nodes = extrema
        largest = max(abs(e) for e in error)
        if largest < mp.mpf("1.0005") * min(abs(error[i]) for i in extrema):
            break
    return coefficients


def polish(coefficients, f, weight, low, high, count=600):
    """Rounds to binary32, then descends by single ulps. Returns the coefficients and the largest error left."""
    grid = chebyshev_grid(low, high, count)
    x = [float(v) for v in grid]
    # The polynomial's error needs far less than 53 bits relative to its value.
    fv, wv = [float(f(v)) for v in grid], [float(weight(v)) for v in grid]

    def largest(c):
        c = [float(v) for v in c][::-1]
        worst = 0.0
        for xi, fi, wi in zip(x, fv, wv):
            p = c[0]
            for cj in c[1:]:
                p = p * xi + cj
            worst = max(worst, abs(wi * (p - fi)))
        return worst

    best = [round_f32(c) for c in coefficients]
    error = largest(best)
    improved = True
    while improved:
        improved = False
        for j in range(len(best)):
            for ulps in (-2, -1, 1, 2):
                trial = list(best)
                trial[j] = step_f32(best[j], ulps)
                trial_error = largest(trial)
                if trial_error < error:
                    best, error, improved = trial, trial_error, True
    return best, error


@lru_cache(None)
def upper_quantile(q):
    """z > 0 with 1 - Phi(z) = q, for 0 < q < 1/2."""
    if q > mp.mpf("0.3"):
        z = mp.sqrt(2 * mp.pi) * (mp.mpf(1) / 2 - q)
    else:
        w = mp.sqrt(-2 * mp.log(q))
        z = w - (mp.mpf("2.30753") + mp.mpf("0.27061") * w) / (
            1 + mp.mpf("0.99229") * w + mp.mpf("0.04481") * w * w)
    for _ in range(5):
        z += (mp.erfc(z / mp.sqrt(2)) / 2 - q) / (mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi))
    return z


# m of U = m 2^e lies in [kLogLow, 2 kLogLow): found by trying which start lowers the error of the log polynomial.
LOG_LOW = mp.mpf(21) / 32
# Below q = kTailBelow (z = 2.0243) the tail polynomial takes over: bounds of +-2 sigma lie wholly in the centre.
TAIL_BELOW = mp.mpf(11) / 512
# u = 2^-33 of the deepest interval, [8, inf), is q = 7.2e-26.
TAIL_W_HIGH = mp.mpf("10.9")
TAIL_W_CENTRE = mp.mpf(6)
# The centre polynomial's variable is r - 1/2, never positive: all terms of its Horner sums have one sign.
CENTRE_R = mp.mpf(1) / 2


def log_polynomial(degree):
    """-2 ln(1+f) / f for 1+f in [kLogLow, 2 kLogLow)."""
    ln2 = mp.log(2)

    def f(x):
        return -2 * mp.log1p(x) / x if x else mp.mpf(-2)

    def weight(x):
        # x P(x) is all of -2 ln U for x < 0 (e = 0) and is added to at least 2 ln 2 for x > 0 (e < 0).
        if not x:
            return mp.mpf(1) / 2
        return abs(x) / (2 * -mp.log1p(x) if x < 0 else 2 * (ln2 - mp.log1p(x)))

    low, high = LOG_LOW - 1, 2 * LOG_LOW - 1
    return polish(remez(f, weight, low, high, degree), f, weight, low, high)


def sine_polynomial(degree):
    """sin(pi/2 phi) / phi in s = phi^2, phi in (-1/2, 1/2)."""
    h = mp.pi / 2

    def f(s):
        return mp.sin(h * mp.sqrt(s)) / mp.sqrt(s)

    low, high = mp.mpf(10) ** -12, mp.mpf(1) / 4
    return polish(remez(f, lambda s: 1 / f(s), low, high, degree), f, lambda s: 1 / f(s), low, high)


def cosine_polynomial(degree):
    """cos(pi/2 phi) in s = phi^2, phi in (-1/2, 1/2), constant 1 exactly."""
    h = mp.pi / 2

    def f(s):
        return (mp.cos(h * mp.sqrt(s)) - 1) / s

    def weight(s):
        return s / mp.cos(h * mp.sqrt(s))

    low, high = mp.mpf(10) ** -12, mp.mpf(1) / 4
    c, error = polish(remez(f, weight, low, high, degree - 1), f, weight, low, high)
    return [mp.mpf(1)] + c, error


def centre_polynomial(degree):
    """z / (1/2 - q) in v = r - 1/2, r = sqrt(q (1-q)), q from kTailBelow to 1/2."""

    @lru_cache(None)
    def f(v):
        r = v + CENTRE_R
        square = mp.mpf(1) / 4 - r * r
        if square < mp.mpf(10) ** -16:
            return mp.sqrt(2 * mp.pi)
        y = mp.sqrt(square)
        return upper_quantile(r * r / (mp.mpf(1) / 2 + y)) / y

    # A little beyond both ends: r is a rounded number.
    low = mp.sqrt(TAIL_BELOW * (1 - TAIL_BELOW)) * (1 - mp.mpf(2) ** -20) - CENTRE_R
    high = mp.mpf(1) / 2 - CENTRE_R
    return polish(remez(f, lambda v: 1 / f(v), low, high, degree), f, lambda v: 1 / f(v), low, high)


def tail_polynomial(degree):
    """z in v = w - 6, w = sqrt(-2 ln q), q from 7e-26 to kTailBelow."""

    @lru_cache(None)
    def f(v):
        w = v + TAIL_W_CENTRE
        return upper_quantile(mp.exp(-w * w / 2))

    low = mp.sqrt(-2 * mp.log(TAIL_BELOW)) * (1 - mp.mpf(2) ** -20) - TAIL_W_CENTRE
    high = TAIL_W_HIGH - TAIL_W_CENTRE
    return polish(remez(f, lambda v: 1 / f(v), low, high, degree), f, lambda v: 1 / f(v), low, high)


def hex_f32(x):
    """The shortest C++ hexadecimal literal of a binary32."""
    mantissa, exponent = float(x).hex().split("p")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}p{exponent}f"


def main():
    polynomials = [
        ("kLog", log_polynomial(int(sys.argv[1]) if len(sys.argv) > 1 else 7)),
        ("kSine", sine_polynomial(3)),
        ("kCosine", cosine_polynomial(3)),
        ("kCentre", centre_polynomial(int(sys.argv[2]) if len(sys.argv) > 2 else 10)),
        ("kTail", tail_polynomial(int(sys.argv[3]) if len(sys.argv) > 3 else 10)),
    ]
    documentation = {
        "kLog": log_polynomial, "kSine": sine_polynomial, "kCosine": cosine_polynomial,
        "kCentre": centre_polynomial, "kTail": tail_polynomial,
    }
    print("""// Coefficients of PHILOX_V1, highest power first.
//
// Generated by tools/fit_polynomials.py: do not edit. Frozen: every normal and truncated normal weight depends on them.
// "Error" is the largest relative error of the polynomial itself, evaluated without rounding.
#ifndef WEIGHTINIT_SOURCE_KERNELS_COEFFICIENTS_H_
#define WEIGHTINIT_SOURCE_KERNELS_COEFFICIENTS_H_

namespace weightinit::kernels {
""")
    print(f"// U = m 2^e with m in [kLogLow, 2 kLogLow).\ninline constexpr float kLogLow = {hex_f32(LOG_LOW)};")
    print("// -2 ln 2.")
    print(f"inline constexpr float kMinusTwoLn2 = {hex_f32(round_f32(-2 * mp.log(2)))};")
    print("// The centre polynomial serves q >= kTailBelow, the tail polynomial q < kTailBelow.")
    print(f"inline constexpr float kTailBelow = {hex_f32(TAIL_BELOW)};")
    print(f"inline constexpr float kCentreShift = {hex_f32(CENTRE_R)};")
    print(f"inline constexpr float kTailShift = {hex_f32(TAIL_W_CENTRE)};")
    for name, (coefficients, error) in polynomials:
        print(f"\n// {documentation[name].__doc__}")
        print(f"// Error: 2^{mp.nstr(mp.log(error, 2), 4)}.")
        print(f"inline constexpr float {name}[{len(coefficients)}] = {{")
        for c in coefficients[::-1]:
            print(f"    {hex_f32(c)},")
        print("};")
    print("""
}  // namespace weightinit::kernels

#endif  // WEIGHTINIT_SOURCE_KERNELS_COEFFICIENTS_H_""")


if __name__ == "__main__":
    main()
