#!/usr/bin/env python3
"""TORCH_CPU's fills against torch's, bit by bit, and the generator's state after them.

torch 1.13 fills tensors on the CPU with the kernels that ATEN_CPU_CAPABILITY names ("avx2", "avx512", "default"); the
same steps are asked of torch_cpu_probe. Needs python3-torch.
"""
import math
import os
import random
import unittest

from probe import ProbeTest, need

torch = need("torch")
init = torch.nn.init

CAPABILITY = os.environ.get("ATEN_CPU_CAPABILITY", "avx2")
VARIANT = "DEFAULT" if CAPABILITY == "default" else "AVX2"
DTYPES = {"FLOAT32": torch.float32, "FLOAT64": torch.float64, "BFLOAT16": torch.bfloat16, "FLOAT16": torch.float16}
SEQUENCES = 2000


def bytes_of(tensor):
    return tensor.contiguous().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def state_of():
    return bytes_of(torch.get_rng_state())


def take(step):
    """What torch makes of a step, as bytes."""
    n = step.get("n")
    if step["call"] == "randperm":
        return bytes_of(torch.randperm(n).to(torch.int32))
    dtype = DTYPES[step["dtype"]]
    if step.get("serial"):  # every second element of a tensor of twice as many
        tensor = torch.empty(n, 2, dtype=dtype)[:, 0] if n > 1 else torch.empty(n, dtype=dtype)
    else:
        tensor = torch.empty(n, dtype=dtype)
    if step["call"] == "uniform":
        tensor.uniform_(step["from"], step["to"])
    elif step["call"] == "normal":
        tensor.normal_(step["mean"], step["std"])
    else:
        init.trunc_normal_(tensor, step["mean"], step["std"], step["a"], step["b"])
    return bytes_of(tensor)


class TorchCpuTest(ProbeTest):
    def assert_equal_to_torch(self, steps, seed=None, state=None, case=""):
        """Both take the steps; `seed` for torch may be negative."""
        question = {"variant": VARIANT, "version": "1.13", "steps": steps}
        if state is None:
            torch.manual_seed(seed)
            question["seed"] = seed % 2 ** 64
        else:
            torch.set_rng_state(torch.tensor(list(state), dtype=torch.uint8))
            question["state"] = state.hex()
        expected = [take(step) for step in steps]
        expected.append(state_of())
        _, data = self.probe.ask(**question)
        for step, part in zip(steps + [{"call": "state"}], expected):
            ours, data = data[:len(part)], data[len(part):]
            if ours != part:
                question.pop("state", None)
                self.fail(f"{case}: {step} of {question} differs: {ours[:32].hex()} … torch: {part[:32].hex()} …")
        self.assertEqual(data, b"")

    @staticmethod
    def random_size(rng):
        return rng.choice([rng.randint(0, 40), rng.randint(0, 40), 16 * rng.randint(1, 70) + rng.randint(-1, 1),
                           rng.randint(1, 5000), rng.randint(600, 640), rng.randint(1, 40000)])

    def random_step(self, rng):
        call = rng.choice(["uniform", "uniform", "normal", "normal", "normal", "trunc_normal", "randperm"])
        n = self.random_size(rng)
        if call == "randperm":
            return {"call": call, "n": n}
        dtype = rng.choice(["FLOAT32", "FLOAT32", *DTYPES])
        step = {"call": call, "dtype": dtype, "n": n}
        if call == "uniform":
            low = rng.choice([0.0, -1.0, rng.uniform(-2, 2), rng.uniform(-300, 300)])
            step.update({"from": low, "to": low + rng.choice([1.0, 2.0, rng.uniform(0, 1e-3), rng.uniform(0, 50)])})
        elif call == "normal":
            step.update(mean=rng.choice([0.0, 0.0, rng.uniform(-2, 2)]), std=rng.choice([1.0, 0.02, rng.uniform(0, 5)]),
                        serial=rng.random() < 0.2)
        else:
            if dtype == "FLOAT16":
                step["dtype"] = "BFLOAT16"
            mean, std = rng.choice([0.0, rng.uniform(-1, 1)]), rng.choice([1.0, 0.02, rng.uniform(0.1, 3)])
            step.update(mean=mean, std=std, a=mean - rng.uniform(0.1, 4) * std, b=mean + rng.uniform(0.1, 4) * std)
        return step

    def test_random_sequences(self):
        rng = random.Random(20221013)
        steps = 0
        for number in range(SEQUENCES):
            sequence = [self.random_step(rng) for _ in range(rng.randint(1, 6))]
            seed = rng.choice([rng.getrandbits(64), rng.getrandbits(8), -rng.getrandbits(63)])
            self.assert_equal_to_torch(sequence, seed=seed, case=f"sequence {number}")
            steps += len(sequence)
        print(f"{SEQUENCES} sequences of {steps} fills, all equal, and the state after each ({CAPABILITY})")

    def test_every_size_around_the_blocks(self):
        for call, numbers in [("uniform", {"from": -0.37, "to": 0.37}), ("normal", {"mean": 0.5, "std": 0.02})]:
            for dtype in DTYPES:
                for n in [*range(0, 67), 623, 624, 625, 639, 640, 1247, 1248, 1249, 4095, 4096, 4097]:
                    step = {"call": call, "dtype": dtype, "n": n, **numbers}
                    self.assert_equal_to_torch([step, step], seed=n, case=f"n = {n}")

    def test_a_million(self):
        for call, numbers in [("uniform", {"from": -1.0, "to": 2.0}), ("normal", {"mean": 0.0, "std": 1.0})]:
            for dtype in DTYPES:
                for n in [1 << 20, 1_000_003]:
                    step = {"call": call, "dtype": dtype, "n": n, **numbers}
                    self.assert_equal_to_torch([step], seed=7, case="a million")

    def test_states_go_on_where_torch_stopped(self):
        rng = random.Random(5)
        for number in range(60):
            torch.manual_seed(rng.getrandbits(64))
            for _ in range(rng.randint(0, 3)):
                take(self.random_step(rng))
            if number % 2:
                torch.empty(3).normal_()  # leaves one value behind
            self.assert_equal_to_torch([{"call": "normal", "dtype": "FLOAT64", "n": 1, "mean": 0.0, "std": 1.0},
                                        self.random_step(rng)], state=state_of(), case=f"state {number}")

    def test_sparse(self):
        rng = random.Random(9)
        for number in range(40):
            rows, cols, sparsity = rng.randint(1, 60), rng.randint(1, 30), rng.choice([0.0, 0.1, 0.5, rng.random(), 1.0])
            zeros = math.ceil(sparsity * rows)
            torch.manual_seed(number)
            expected = init.sparse_(torch.empty(rows, cols), sparsity, 0.01)
            _, data = self.probe.ask(seed=number, variant=VARIANT, version="1.13", steps=[
                {"call": "normal", "dtype": "FLOAT32", "n": rows * cols, "mean": 0.0, "std": 0.01},
                {"call": "sparse_rows", "rows": rows, "cols": cols, "zeros": zeros}])
            ours = torch.frombuffer(bytearray(data[:rows * cols * 4]), dtype=torch.float32).view(rows, cols).clone()
            picked = data[rows * cols * 4:-5056]
            if picked:
                chosen = torch.frombuffer(bytearray(picked), dtype=torch.int32).view(cols, zeros).long()
                for column in range(cols):
                    ours[chosen[column], column] = 0
            self.assertEqual(bytes_of(ours), bytes_of(expected), (number, rows, cols, sparsity))
            self.assertEqual(data[-5056:], state_of(), (number, rows, cols, sparsity))

    def test_trunc_normal_since_2_12(self):
        """Its steps taken with torch's own normal_: a new tensor each round, of which the elements outside are taken."""
        if VARIANT == "DEFAULT":
            self.skipTest("the last step became one operation in 2.12: torch 1.13 cannot re-enact it")
        rng = random.Random(12)
        for number in range(40):
            n, dtype = self.random_size(rng), rng.choice(["FLOAT32", "FLOAT64"])
            mean, std = rng.choice([0.0, rng.uniform(-1, 1)]), rng.choice([1.0, 0.02, rng.uniform(0.1, 3)])
            a, b = mean - rng.uniform(0.6, 3) * std, mean + rng.uniform(0.6, 3) * std
            torch.manual_seed(number)
            expected = torch.empty(n, dtype=DTYPES[dtype]).normal_(mean, std)
            low, high = torch.tensor([a, b], dtype=expected.dtype)
            while ((expected < low) | (expected > high)).any():
                again = torch.empty_like(expected).normal_(mean, std)
                expected = torch.where((expected < low) | (expected > high), again, expected)
            _, data = self.probe.ask(seed=number, variant=VARIANT, version="2.12", steps=[
                {"call": "trunc_normal", "dtype": dtype, "n": n, "mean": mean, "std": std, "a": a, "b": b}])
            self.assertEqual(data[:-5056], bytes_of(expected), (number, n, dtype, mean, std, a, b))
            self.assertEqual(data[-5056:], state_of())

    def test_16_bit_normals_since_2_12_are_rounded_float32(self):
        if VARIANT == "DEFAULT":
            self.skipTest("the last step became one operation in 2.12")
        for dtype in ["BFLOAT16", "FLOAT16"]:
            for n in [16, 160, 4096]:
                torch.manual_seed(n)
                expected = torch.empty(n).normal_(0.25, 0.02).to(DTYPES[dtype])
                _, data = self.probe.ask(seed=n, variant=VARIANT, version="2.12", steps=[
                    {"call": "normal", "dtype": dtype, "n": n, "mean": 0.25, "std": 0.02}])
                self.assertEqual(data[:-5056], bytes_of(expected), (dtype, n))


if __name__ == "__main__":
    print("torch", torch.__version__, "with", CAPABILITY)
    unittest.main()
