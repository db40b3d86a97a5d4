#!/usr/bin/env python3
"""Fans, gains, standard deviations and bounds against torch.nn.init.

torch's own code computes what is compared with: its functions run on tensors without storage, and the arguments that
reach Tensor.normal_ and Tensor.uniform_ are written down. Needs python3-torch.
"""
import math
import random
import unittest
from unittest import mock

from probe import ProbeTest, need

torch = need("torch")
init = torch.nn.init

TORCH_NONLINEARITIES = ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
                        "conv_transpose3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]
CASES = 400


def arguments_of(function, shape, **parameters):
    """What `function` hands to Tensor.normal_ or Tensor.uniform_: ("normal", mean, std) or ("uniform", low, high)."""
    calls = []

    def recorder(kind):
        def record(tensor, first, second, **_):
            calls.append((kind, first, second))
            return tensor

        return record

    with mock.patch.object(torch.Tensor, "normal_", recorder("normal")), \
            mock.patch.object(torch.Tensor, "uniform_", recorder("uniform")):
        function(torch.empty(shape, device="meta"), **parameters)
    assert len(calls) == 1, calls
    return calls[0]


def ulps(a, b):
    return 0 if a == b else abs(a - b) / math.ulp(max(abs(a), abs(b)))


class TorchPlanTest(ProbeTest):
    def assert_equal_numbers(self, plan, expected, case):
        kind, first, second = expected
        names = ("mean", "std") if kind == "normal" else ("low", "high")
        self.assertEqual(plan["distribution"], kind, case)
        for name, value in zip(names, (first, second)):
            self.assertLessEqual(ulps(plan["numbers"][name], value), 1, f"{case}: {name}, torch has {value}")

    @staticmethod
    def random_shape(rng):
        rank = rng.randint(2, 6)
        largest = {2: 20000, 3: 3000, 4: 600, 5: 120, 6: 40}[rank]
        return [rng.randint(1, largest) for _ in range(rank)]

    def test_random_shapes_methods_modes_and_nonlinearities(self):
        rng = random.Random(20240917)
        exact = 0
        for number in range(CASES):
            shape = self.random_shape(rng)
            method = rng.choice(["kaiming_uniform", "kaiming_normal", "xavier_uniform", "xavier_normal"])
            nonlinearity = rng.choice(TORCH_NONLINEARITIES)
            slope = rng.choice([0, 0.01, 0.2, math.sqrt(5), rng.uniform(-3, 3)])
            if method.startswith("kaiming"):
                mode = rng.choice(["fan_in", "fan_out"])
                expected = arguments_of(getattr(init, method + "_"), shape, a=slope, mode=mode,
                                        nonlinearity=nonlinearity)
                ours = {"mode": mode.upper(), "nonlinearity": nonlinearity.upper()}
                if nonlinearity == "leaky_relu":
                    ours["negative_slope"] = slope
            elif rng.random() < 0.5:
                gain = rng.choice([1.0, 0.5, rng.uniform(0, 4)])
                expected = arguments_of(getattr(init, method + "_"), shape, gain=gain)
                ours = {"gain": gain}
            else:
                param = slope if nonlinearity == "leaky_relu" and rng.random() < 0.7 else None
                expected = arguments_of(getattr(init, method + "_"), shape,
                                        gain=init.calculate_gain(nonlinearity, param))
                ours = {"nonlinearity": nonlinearity.upper()}
                if param is not None:
                    ours["negative_slope"] = param
            case = f"case {number}: {method}({ours}) {shape}"
            plan = self.probe.plan({"shape": shape, "init": {method: ours}})
            self.assert_equal_numbers(plan, expected, case)
            exact += tuple(plan["numbers"].values()) == expected[1:]
            fans = init._calculate_fan_in_and_fan_out(torch.empty(shape, device="meta"))
            self.assertEqual(plan["fans"], tuple(float(fan) for fan in fans), case)
        print(f"{CASES} cases, {exact} of them equal to the last bit, the others within 1 ulp")

    def test_defaults_are_torchs(self):
        for method in ["kaiming_uniform", "kaiming_normal", "xavier_uniform", "xavier_normal"]:
            expected = arguments_of(getattr(init, method + "_"), [64, 3, 7, 7])
            plan = self.probe.plan({"shape": [64, 3, 7, 7], "init": {method: {}}})
            self.assert_equal_numbers(plan, expected, method)
        for method in ["uniform", "normal"]:
            expected = arguments_of(getattr(init, method + "_"), [5])
            self.assert_equal_numbers(self.probe.plan({"shape": [5], "init": {method: {}}}), expected, method)

    def test_gains(self):
        rng = random.Random(7)
        for nonlinearity in TORCH_NONLINEARITIES:
            params = [0, 0.01, 0.2, math.sqrt(5)] + [rng.uniform(-5, 5) for _ in range(20)]
            for param in params if nonlinearity == "leaky_relu" else [0]:
                answer, _ = self.probe.ask(want="gain", nonlinearity=nonlinearity.upper(), negative_slope=param)
                expected = init.calculate_gain(nonlinearity, param)
                self.assertLessEqual(ulps(float.fromhex(answer["gain"]), expected), 1, (nonlinearity, param))

    def test_layers_defaults(self):
        """The weight and bias bounds of torch's own layers: kaiming_uniform(a=√5), and ±1/√fan_in for the bias."""
        for layer, shape in [(torch.nn.Linear(300, 70), [70, 300]), (torch.nn.Conv2d(12, 8, (3, 5)), [8, 12, 3, 5]),
                             (torch.nn.Conv1d(12, 8, 3, groups=4), [8, 3, 3])]:
            calls = []

            def record(tensor, low, high, calls=calls, **_):
                calls.append((low, high))
                return tensor

            with mock.patch.object(torch.Tensor, "uniform_", record):
                layer.reset_parameters()
            weight = self.probe.plan(
                {"shape": shape, "init": {"kaiming_uniform": {"negative_slope": math.sqrt(5)}}})
            fan_in = weight["fans"][0]
            bias = self.probe.plan({"shape": shape[:1], "fan": {"fan_in": fan_in},
                                    "init": {"variance_scaling": {"scale": 1 / 3, "distribution": "UNIFORM"}}})
            for plan, (low, high) in zip((weight, bias), calls):
                self.assertLessEqual(ulps(plan["numbers"]["low"], low), 1, layer)
                self.assertLessEqual(ulps(plan["numbers"]["high"], high), 1, layer)


if __name__ == "__main__":
    print("torch", torch.__version__)
    unittest.main()
