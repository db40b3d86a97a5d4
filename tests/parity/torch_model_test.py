#!/usr/bin/env python3
"""Whole models replayed with torch_cpu, against torch's own modules.

Random modules are constructed after torch.manual_seed, some of their tensors are drawn once more with torch.nn.init;
the same script is written as a recipe with `construct` and `draws`. Every tensor must be equal, bit by bit. Needs
python3-torch.
"""
import math
import os
import random
import unittest

from probe import ProbeTest, need

torch = need("torch")
nn, init = torch.nn, torch.nn.init

CAPABILITY = os.environ.get("ATEN_CPU_CAPABILITY", "avx2")
VARIANT = "DEFAULT" if CAPABILITY == "default" else "AVX2"
MODELS = 250
DTYPES = {torch.float32: "FLOAT32", torch.float64: "FLOAT64", torch.bfloat16: "BFLOAT16", torch.int64: "INT64"}


def random_module(rng, dtype):
    size = lambda most=40: rng.randint(1, most)
    groups = rng.randint(1, 3)
    kinds = {
        "linear": lambda: nn.Linear(size(300), size(80), bias=rng.random() < 0.8, dtype=dtype),
        "conv": lambda: rng.choice([nn.Conv1d, nn.Conv2d, nn.Conv3d])(
            groups * size(5), groups * size(5), rng.randint(1, 3), groups=groups, bias=rng.random() < 0.8, dtype=dtype),
        "transpose": lambda: rng.choice([nn.ConvTranspose1d, nn.ConvTranspose2d])(
            groups * size(5), groups * size(5), rng.randint(1, 3), groups=groups, dtype=dtype),
        "bilinear": lambda: nn.Bilinear(size(9), size(9), size(9), dtype=dtype),
        "embedding": lambda: nn.Embedding(size(60), size(40), dtype=dtype),
        "recurrent": lambda: rng.choice([nn.LSTM, nn.GRU, nn.RNN])(
            size(12), size(12), num_layers=rng.randint(1, 2), bidirectional=rng.random() < 0.5,
            bias=rng.random() < 0.7, dtype=dtype),
        "projected": lambda: nn.LSTM(size(12), 13, num_layers=rng.randint(1, 2), bidirectional=rng.random() < 0.5,
                                     proj_size=size(12), dtype=dtype),
        "cell": lambda: rng.choice([nn.LSTMCell, nn.GRUCell, nn.RNNCell])(
            size(12), size(12), bias=rng.random() < 0.7, dtype=dtype),
        "attention": lambda: nn.MultiheadAttention(4 * size(8), 4, bias=rng.random() < 0.8, dtype=dtype),
        "prelu": lambda: nn.PReLU(size(5), dtype=dtype),
        "norm": lambda: rng.choice([nn.LayerNorm, nn.BatchNorm2d])(size(20), dtype=dtype),
    }
    return kinds[rng.choice(list(kinds))]()


def reinitialize(rng, tensor):
    """Draws the tensor once more, and says how."""
    calls = [("normal", dict(mean=rng.uniform(-1, 1), std=rng.uniform(0, 2)), init.normal_),
             ("uniform", None, init.uniform_)]
    if tensor.dim() >= 2:
        gain = rng.choice([1.0, rng.uniform(0, 3)])
        calls += [("xavier_uniform", dict(gain=gain), init.xavier_uniform_),
                  ("xavier_normal", dict(gain=gain), init.xavier_normal_),
                  ("kaiming_uniform", "kaiming", init.kaiming_uniform_),
                  ("kaiming_normal", "kaiming", init.kaiming_normal_),
                  ("truncated_normal", "truncated", init.trunc_normal_)]
    name, numbers, function = rng.choice(calls)
    if numbers is None:
        low = rng.uniform(-2, 2)
        high = low + rng.uniform(0, 3)
        function(tensor, low, high)
        return {name: dict(low=low, high=high)}
    if numbers == "kaiming":
        mode, nonlinearity = rng.choice(["fan_in", "fan_out"]), rng.choice(["relu", "leaky_relu", "tanh", "linear"])
        slope = rng.choice([0.01, math.sqrt(5), rng.uniform(0, 2)])
        function(tensor, a=slope, mode=mode, nonlinearity=nonlinearity)
        ours = dict(mode=mode.upper(), nonlinearity=nonlinearity.upper())
        if nonlinearity == "leaky_relu":
            ours["negative_slope"] = slope
        return {name: ours}
    if numbers == "truncated":
        std = rng.uniform(0.1, 2)
        a, b = -rng.uniform(0.5, 3), rng.uniform(0.5, 3)
        function(tensor, 0.0, std, a, b)
        return {name: dict(mean=0.0, std=std, low=a, high=b, bounds="ABSOLUTE")}
    function(tensor, **numbers)
    return {name: numbers}


class TorchModelTest(ProbeTest):
    def test_random_models(self):
        rng = random.Random(20231117)
        tensors = 0
        for number in range(MODELS):
            seed = rng.getrandbits(rng.choice([8, 64]))
            torch.manual_seed(seed)
            draws, held, specs = [], {}, []
            for m in range(rng.randint(1, 5)):
                dtype = rng.choice([torch.float32, torch.float32, torch.float64, torch.bfloat16])
                module = random_module(rng, dtype)
                draws.append({"construct": f"m{m}"})
                for name, tensor in module.state_dict(keep_vars=True).items():
                    held[f"m{m}.{name}"] = tensor
                    specs.append({"name": f"m{m}.{name}", "shape": list(tensor.shape), "dtype": DTYPES[tensor.dtype],
                                  "module": type(module).__name__})
            with torch.no_grad():
                for _ in range(rng.randint(0, 3)):
                    name = rng.choice([key for key in held if held[key].is_floating_point()])
                    draws.append({"name": name, "init": reinitialize(rng, held[name])})
            rng.shuffle(specs)  # a module is drawn in torch's order, whatever that of the recipe is
            recipe = {"generator": {"torch_cpu": {"variant": VARIANT, "torch_version": "1.13"}}, "seed": str(seed),
                      "tensors": specs, "draws": draws}
            _, data = self.probe.ask(want="model", recipe=recipe)
            for spec in specs:
                values = held[spec["name"]].detach().contiguous()
                expected = values.reshape(-1).view(torch.uint8).numpy().tobytes() if values.numel() else b""
                ours, data = data[:len(expected)], data[len(expected):]
                self.assertTrue(ours == expected, f"model {number}, seed {seed}: {spec} of {draws}: "
                                                  f"{ours[:16].hex()} … torch: {expected[:16].hex()} …")
            self.assertEqual(data, b"")
            tensors += len(specs)
        print(f"{MODELS} models of {tensors} tensors, all equal ({CAPABILITY})")


if __name__ == "__main__":
    print("torch", torch.__version__, "with", CAPABILITY)
    unittest.main()
