"""Ready recipes: each covers the tensors of the models that it is for, with the numbers of the source that it names.

Where torch or torchvision has the module, it is built here, what reaches Tensor.normal_ and Tensor.uniform_ is written down, and a
recipe must plan these numbers; then drawn values are compared with the module's. Elsewhere the numbers are the formulas of the source.
Seeds are fixed on both sides.
"""

import json
import math
from unittest import mock

import harness
from harness import cli, safetensors_of

np = harness.require_module_for_all("numpy", "python3-numpy")

FALSE_ALARM_RATE = 1e-9
ZERO, ONE = ("constant", 0.0), ("constant", 1.0)


def normal(std):
    return ("normal", 0.0, std)


def uniform(bound):
    return ("uniform", -bound, bound)


def glorot_uniform(fan_in, fan_out):
    return uniform(math.sqrt(6 / (fan_in + fan_out)))


def truncated(std, sigmas):
    return ("truncated_normal", 0.0, std, -sigmas, sigmas)


def lecun_normal(fan_in):
    return truncated(math.sqrt(1 / fan_in) / 0.87962566103423978, 2)


def distribution_of(tensor):
    """(kind, numbers) of a TensorPlan in JSON; zeros where JSON leaves them out."""
    distribution = tensor["distribution"]
    numbers = {number["name"]: number.get("value", 0.0) for number in distribution.get("numbers", [])}
    kind = distribution["kind"].lower()
    names = {
        "constant": ("value",),
        "normal": ("mean", "std"),
        "uniform": ("low", "high"),
        "truncated_normal": ("mean", "std", "low_sigma", "high_sigma"),
        "orthogonal": ("gain",),
    }[kind]
    return (kind, *(numbers[name] for name in names))


class RecipeTest(harness.TestCase):
    def flags(self, tensors, recipe, constants):
        """What makes a command draw these tensors: {name: shape}, or entries of a manifest."""
        if isinstance(tensors, dict):
            tensors = [{"name": name, "shape": shape} for name, shape in tensors.items()]
        manifest = self.write("manifest.json", json.dumps({"tensors": tensors}))
        return [manifest, "--rules", recipe] + [f"--constant={name}={value}" for name, value in constants.items()]

    def planned(self, tensors, recipe, **constants):
        """{name: TensorPlan}, of a plan that must be drawable and free of warnings."""
        answer = json.loads(cli("plan", *self.flags(tensors, recipe, constants), "--json").text)
        self.assertTrue(answer["report"]["drawable"])
        plans = {tensor["name"]: tensor for tensor in answer["page"]["tensors"]}
        self.assertEqual([warning for plan in plans.values() for warning in plan.get("warnings", [])], [])
        return plans

    def assertDistribution(self, plan, expected):
        found = distribution_of(plan)
        self.assertEqual(found[0], expected[0], plan["name"])
        for ours, theirs in zip(found[1:], expected[1:], strict=True):
            self.assertTrue(math.isclose(ours, theirs, rel_tol=1e-14), f"{plan['name']}: {found}, and not {expected}")

    def assertPlanned(self, expected, recipe, modules=None, **constants):
        """`expected`: {name: (shape, distribution)}; None: tied or left out."""
        modules = modules or {}
        tensors = [{"name": name, "shape": shape, "module": modules.get(name, "")} for name, (shape, _) in expected.items()]
        plans = self.planned(tensors, recipe, **constants)
        for name, (_, distribution) in expected.items():
            if distribution is not None:
                self.assertDistribution(plans[name], distribution)


class FormulaTest(RecipeTest):
    """Recipes whose source is a text, or a library that Debian does not have."""

    def llama(self, names, layers=32, width=4096, kv=1024, hidden=14336, vocabulary=128256):
        embedding, layer, end = names
        shapes = [[width, width], [kv, width], [kv, width], [width, width], [hidden, width], [width, hidden], [hidden, width],
                  [width], [width]]
        expected = {embedding: ([vocabulary, width], normal(1.0))}
        for i in range(layers):
            small, deep = normal(0.02), normal(0.02 * (1 / math.sqrt(2 * (i + 1))))
            kinds = [small, small, small, deep, small, deep, deep, ONE, ONE]
            expected.update({layer(i, name): (shape, kind) for name, shape, kind in zip(self.parts, shapes, kinds, strict=True)})
        expected[end[0]] = ([width], ONE)
        expected[end[1]] = ([vocabulary, width], truncated(width**-0.5, 3))
        return expected

    def test_llama3(self):
        self.parts = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj",
                      "mlp.up_proj", "input_layernorm", "post_attention_layernorm"]
        names = ("model.embed_tokens.weight", lambda i, part: f"model.layers.{i}.{part}.weight", ("model.norm.weight", "lm_head.weight"))
        self.assertPlanned(self.llama(names), "llama3", width=4096)
        self.parts = ["attention.wq", "attention.wk", "attention.wv", "attention.wo", "feed_forward.w1", "feed_forward.w2",
                      "feed_forward.w3", "attention_norm", "ffn_norm"]
        names = ("tok_embeddings.weight", lambda i, part: f"layers.{i}.{part}.weight", ("norm.weight", "output.weight"))
        self.assertPlanned(self.llama(names, 3, 64, 16, 96, 100), "llama3", width=64)
        self.parts[:3] = ["attention.qkv_linear.wq", "attention.qkv_linear.wk", "attention.qkv_linear.wv"]
        packed = {"layers.0.attention.qkv_linear.wqkv.weight": ([96, 64], normal(0.02))}
        self.assertPlanned(self.llama(names, 3, 64, 16, 96, 100) | packed, "llama3", width=64)

    def megatron(self, layers, sigma, embedding):
        d, h, vocabulary = 64, 256, 512
        expected = {"embedding.word_embeddings.weight": ([vocabulary, d], normal(embedding)),
                    "embedding.position_embeddings.weight": ([32, d], normal(embedding))}
        for i in range(layers):
            layer, scaled = f"decoder.layers.{i}.", normal(sigma / math.sqrt(2 * layers))
            expected.update({
                layer + "self_attention.linear_proj.weight": ([d, d], scaled),
                layer + "self_attention.linear_proj.bias": ([d], ZERO),
                layer + "self_attention.linear_qkv.layer_norm_weight": ([d], ONE),
                layer + "self_attention.linear_qkv.layer_norm_bias": ([d], ZERO),
                layer + "self_attention.linear_qkv.weight": ([3 * d, d], normal(sigma)),
                layer + "self_attention.linear_qkv.bias": ([3 * d], ZERO),
                layer + "self_attention.q_layernorm.weight": ([16], ONE),
            })
            if i == 0:
                expected.update({
                    layer + "mlp.linear_fc1.layer_norm_weight": ([d], ONE),
                    layer + "mlp.linear_fc1.weight": ([h, d], normal(sigma)),
                    layer + "mlp.linear_fc1.bias": ([h], ZERO),
                    layer + "mlp.linear_fc2.weight": ([d, h], scaled),
                })
            else:
                expected.update({
                    layer + "pre_mlp_layernorm.weight": ([d], ONE),
                    layer + "mlp.router.weight": ([4, d], normal(sigma)),
                    layer + "mlp.experts.linear_fc1.weight3": ([h, d], normal(sigma)),
                    layer + "mlp.experts.local_experts.0.linear_fc2.weight": ([d, h], scaled),
                    layer + "mlp.shared_experts.linear_fc2.weight": ([d, h], scaled),
                    layer + "mlp.shared_experts.gate_weight": ([1, d], normal(sigma)),
                    layer + "mlp.router.expert_bias": ([4], ZERO),
                    layer + "mlp.experts.weight1": ([d, 4 * h], normal(sigma)),
                    layer + "mlp.experts.weight2": ([4 * h, d], scaled),
                    layer + "self_attention.linear_kv_down_proj.weight": ([32, d], normal(sigma)),
                    layer + "self_attention.linear_q_up_proj.weight": ([d, 32], normal(sigma)),
                    layer + "mlp.linear_fc1._extra_state": ([], None),
                })
        expected["decoder.final_layernorm.weight"] = ([d], ONE)
        expected["output_layer.weight"] = ([vocabulary, d], normal(sigma))
        return expected

    def test_megatron_gpt(self):
        self.assertPlanned(self.megatron(3, 0.02, 0.02), "megatron_gpt", layers=3)
        self.assertPlanned(self.megatron(2, 0.006, 1.0), "megatron_gpt", layers=2, sigma=0.006, embedding_sigma=1)

    def test_t5(self):
        d, kv, heads, ff, vocabulary = 48, 8, 4, 96, 128
        inner = heads * kv
        expected = {"shared.weight": ([vocabulary, d], normal(1.0)), "encoder.embed_tokens.weight": ([vocabulary, d], None),
                    "decoder.embed_tokens.weight": ([vocabulary, d], None)}
        for stack, attentions in (("encoder", ["SelfAttention"]), ("decoder", ["SelfAttention", "EncDecAttention"])):
            for i in range(2):
                for j, attention in enumerate(attentions):
                    layer = f"{stack}.block.{i}.layer.{j}."
                    expected[layer + f"{attention}.q.weight"] = ([inner, d], normal((d * kv) ** -0.5))
                    expected[layer + f"{attention}.k.weight"] = ([inner, d], normal(d**-0.5))
                    expected[layer + f"{attention}.v.weight"] = ([inner, d], normal(d**-0.5))
                    expected[layer + f"{attention}.o.weight"] = ([d, inner], normal((heads * kv) ** -0.5))
                    if i == 0 and j == 0:
                        expected[layer + "SelfAttention.relative_attention_bias.weight"] = ([32, heads], normal(d**-0.5))
                    expected[layer + "layer_norm.weight"] = ([d], ONE)
                layer = f"{stack}.block.{i}.layer.{len(attentions)}."
                for name in ["wi"] if stack == "encoder" else ["wi_0", "wi_1"]:
                    expected[layer + f"DenseReluDense.{name}.weight"] = ([ff, d], normal(d**-0.5))
                expected[layer + "DenseReluDense.wo.weight"] = ([d, ff], normal(ff**-0.5))
                expected[layer + "layer_norm.weight"] = ([d], ONE)
            expected[f"{stack}.final_layer_norm.weight"] = ([d], ONE)
        self.assertPlanned(expected, "t5", d_model=d, d_kv=kv)
        expected["lm_head.weight"] = ([vocabulary, d], normal(1.0))
        self.assertPlanned(expected, "t5", d_model=d, d_kv=kv)

    def test_mup(self):
        width, base, layers = 1024, 256, 3
        wide = 0.02 * math.sqrt(base / width)
        expected = {"model.embed_tokens.weight": ([512, width], normal(0.02)), "model.norm.weight": ([width], ONE),
                    "lm_head.weight": ([512, width], normal(0.02))}
        for i in range(layers):
            for name in ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj"]:
                expected[f"model.layers.{i}.{name}.weight"] = ([width, width], normal(wide))
            for name in ["self_attn.o_proj", "mlp.down_proj"]:
                expected[f"model.layers.{i}.{name}.weight"] = ([width, width], normal(wide / math.sqrt(2 * layers)))
            expected[f"model.layers.{i}.input_layernorm.weight"] = ([width], ONE)
        self.assertPlanned(expected, "mup", layers=layers, width=width, base_width=base)

    def test_deepnorm(self):
        d, layers = 64, 18
        beta = (8 * layers) ** -0.25
        xavier = lambda fan_in, fan_out, gain=1.0: normal(gain * math.sqrt(2 / (fan_in + fan_out)))
        expected = {"decoder.embed_tokens.weight": ([512, d], normal(d**-0.5)), "decoder.embed_positions.weight": ([32, d], normal(d**-0.5)),
                    "decoder.output_projection.weight": ([512, d], normal(d**-0.5))}
        for i in range(layers):
            layer = f"decoder.layers.{i}."
            expected.update({
                layer + "self_attn.k_proj.weight": ([d, d], xavier(d, d)),
                layer + "self_attn.k_proj.bias": ([d], ZERO),
                layer + "self_attn.v_proj.weight": ([d, d], xavier(d, d, beta)),
                layer + "self_attn.q_proj.weight": ([d, d], xavier(d, d)),
                layer + "self_attn.out_proj.weight": ([d, d], xavier(d, d, beta)),
                layer + "self_attn_layer_norm.weight": ([d], ONE),
                layer + "fc1.weight": ([4 * d, d], xavier(d, 4 * d, beta)),
                layer + "fc2.weight": ([d, 4 * d], xavier(4 * d, d, beta)),
                layer + "final_layer_norm.weight": ([d], ONE),
            })
        self.assertPlanned(expected, "deepnorm", layers=layers)

    def test_deepnorm_encoder_decoder(self):
        d, constants = 64, {"encoder_layers": 2, "decoder_layers": 3}
        betas = {"encoder": 0.87 * (2**4 * 3) ** (-1 / 16), "decoder": (12 * 3) ** -0.25}
        square = lambda gain: normal(gain * math.sqrt(1 / d))
        expected = {}
        for side, beta in betas.items():
            expected[f"{side}.embed_tokens.weight"] = ([512, d], normal(d**-0.5))
            for i in range(constants[f"{side}_layers"]):
                layer = f"{side}.layers.{i}."
                for attention in ["self_attn"] if side == "encoder" else ["self_attn", "encoder_attn"]:
                    gains = {"q": 1, "k": 1, "v": beta, "out": beta}
                    expected |= {layer + f"{attention}.{part}_proj.weight": ([d, d], square(gain)) for part, gain in gains.items()}
                    expected[layer + f"{attention}_layer_norm.weight"] = ([d], ONE)
                expected[layer + "fc1.weight"] = ([4 * d, d], normal(beta * math.sqrt(2 / (5 * d))))
                expected[layer + "fc1.bias"] = ([4 * d], ZERO)
        self.assertPlanned(expected, "deepnorm_encoder_decoder", **constants)
        alone = self.flags({name: shape for name, (shape, _) in expected.items()}, "deepnorm", {"layers": 3})
        self.assertIn('"decoder.layers.0.encoder_attn.v_proj.weight" has no init', cli("plan", *alone, expect=1).err)

    def test_keras_defaults(self):
        expected, modules = {}, {}

        def add(module, name, shape, distribution):
            expected[name], modules[name] = (shape, distribution), module

        add("Dense", "sequential/dense/kernel", [40, 10], glorot_uniform(40, 10))
        add("Dense", "sequential/dense/bias", [10], ZERO)
        add("Conv2D", "conv2d/kernel", [3, 5, 16, 32], glorot_uniform(15 * 16, 15 * 32))
        add("Conv2D", "conv2d/bias", [32], ZERO)
        add("Conv2DTranspose", "conv2d_transpose/kernel", [3, 5, 32, 16], glorot_uniform(15 * 32, 15 * 16))
        add("DepthwiseConv2D", "depthwise_conv2d/kernel", [3, 3, 16, 2], glorot_uniform(9 * 16, 9 * 2))
        add("SeparableConv2D", "separable_conv2d/pointwise_kernel", [1, 1, 16, 8], glorot_uniform(16, 8))
        add("Embedding", "embedding/embeddings", [100, 8], uniform(0.05))
        add("EinsumDense", "multi_head_attention/query/kernel", [32, 4, 8], glorot_uniform(32 * 4, 32 * 8))
        add("LSTM", "lstm/lstm_cell/kernel", [12, 4 * 8], glorot_uniform(12, 32))
        add("LSTM", "lstm/lstm_cell/recurrent_kernel", [8, 4 * 8], ("orthogonal", 1.0))
        add("LSTM", "lstm/lstm_cell/bias", [4 * 8], None)
        add("LSTMCell", "lc/kernel", [12, 4 * 8], glorot_uniform(12, 32))
        add("LSTMCell", "lc/bias", [4 * 8], None)
        add("ConvLSTM2D", "conv_lstm2d/kernel", [3, 3, 12, 4 * 8], glorot_uniform(9 * 12, 9 * 32))
        add("RMSNormalization", "rms_normalization/scale", [8], ONE)
        add("GRU", "gru/gru_cell/bias", [2, 3 * 8], ZERO)
        add("BatchNormalization", "batch_normalization/gamma", [8], ONE)
        add("BatchNormalization", "batch_normalization/moving_mean", [8], ZERO)
        add("BatchNormalization", "batch_normalization/moving_variance", [8], ONE)
        self.assertPlanned(expected, "keras_defaults", modules)
        for name in ("lstm/lstm_cell/bias", "lc/bias"):
            only = ["--only", name, "-o", "-"]
            bias = np.frombuffer(cli("model", self.path("manifest.json"), "--rules", "keras_defaults", *only).out, "<f4")
            np.testing.assert_array_equal(bias, np.repeat([0.0, 1.0, 0.0, 0.0], 8))

    def test_flax_defaults(self):
        expected = {
            "params/Dense_0/kernel": ([40, 10], lecun_normal(40)),
            "params/Dense_0/bias": ([10], ZERO),
            "params.Conv_0.kernel": ([3, 5, 16, 32], lecun_normal(15 * 16)),
            "params/attention/query/kernel": ([32, 4, 8], lecun_normal(32)),
            "params/attention/query/bias": ([4, 8], ZERO),
            "params/attention/out/kernel": ([4, 8, 32], lecun_normal(4 * 8)),
            "params/Embed_0/embedding": ([100, 16], normal(16**-0.5)),
            "params/LSTMCell_0/ii/kernel": ([12, 8], lecun_normal(12)),
            "params/LSTMCell_0/hi/kernel": ([8, 8], ("orthogonal", 1.0)),
            "params/head/out/kernel": ([40, 10], lecun_normal(40)),
            "params/memory/key/kernel": ([40, 10], lecun_normal(40)),
            "params/SimpleCell_0/i/kernel": ([12, 8], lecun_normal(12)),
            "params/SimpleCell_0/i/bias": ([8], ZERO),
            "params/SimpleCell_0/h/kernel": ([8, 8], ("orthogonal", 1.0)),
            "params/MGUCell_0/if/kernel": ([12, 8], lecun_normal(12)),
            "params/MGUCell_0/if/bias": ([8], ONE),
            "params/MGUCell_0/in/bias": ([8], ZERO),
            "params/MGUCell_0/hf/kernel": ([8, 8], ("orthogonal", 1.0)),
            "params/h/kernel": ([40, 10], lecun_normal(40)),
            "params/proj/kernel": ([64, 4, 16], lecun_normal(64)),
            "params/general/out/kernel": ([4, 8, 32], lecun_normal(4 * 8)),
            "params/LayerNorm_0/scale": ([8], ONE),
            "batch_stats/BatchNorm_0/mean": ([8], ZERO),
            "batch_stats/BatchNorm_0/var": ([8], ONE),
        }
        modules = {"params/memory/key/kernel": "Dense", "params/h/kernel": "Dense", "params/proj/kernel": "DenseGeneral",
                   "params/general/out/kernel": "DenseGeneral"}
        self.assertPlanned(expected, "flax_defaults", modules)


class TorchTest(RecipeTest):
    """Recipes of modules that torch and torchvision build."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.torch = harness.require_module("torch", "python3-torch")

    def built(self, build):
        """A module, and {address: what its elements were last drawn from}."""
        torch, drawn = self.torch, {}

        def noting(kind, function, *names):
            def note(tensor, *arguments, **named):
                result = function(tensor, *arguments, **named)
                numbers = dict(zip(names, arguments), **{key: value for key, value in named.items() if key in names})
                defaults = {"mean": 0.0, "std": 1.0, "from": 0.0, "to": 1.0}
                drawn[tensor.data_ptr()] = (kind, *(float(numbers.get(name, defaults[name])) for name in names))
                return result

            return note

        init = torch.nn.init
        with mock.patch.object(torch.Tensor, "normal_", noting("normal", torch.Tensor.normal_, "mean", "std")), \
                mock.patch.object(torch.Tensor, "uniform_", noting("uniform", torch.Tensor.uniform_, "from", "to")), \
                mock.patch.object(init, "trunc_normal_", noting("normal", init.trunc_normal_, "mean", "std")):
            torch.manual_seed(0)
            return build(), drawn

    @staticmethod
    def tensors_of(module):
        """Its state_dict as a manifest, with the class of each tensor's owner."""
        owners = dict(module.named_modules())
        tensors = []
        for name, tensor in module.state_dict().items():
            owner = type(owners[name.rpartition(".")[0]]).__name__
            entry = {"name": name, "shape": list(tensor.shape), "module": owner}
            if not tensor.is_floating_point():
                entry["dtype"] = "INT64"
            tensors.append(entry)
        return tensors

    def assertSame(self, build, recipe, **constants):
        """The recipe plans what the module's constructor draws, and draws values of that distribution."""
        module, drawn = self.built(build)
        tensors = self.tensors_of(module)
        plans = self.planned(tensors, recipe, **constants)
        path = self.path("model.safetensors")
        cli("model", *self.flags(tensors, recipe, constants), "--seed", 1, "-o", path)
        header, values = safetensors_of(path)
        for name, tensor in module.state_dict().items():
            if name not in plans:
                continue  # skipped
            if "tied_to" in plans[name].get("layout", ""):
                self.assertNotIn(name, header)
                continue
            theirs = tensor.numpy()
            ours = np.frombuffer(values[name], {"F32": "<f4", "I64": "<i8"}[header[name]["dtype"]]).reshape(theirs.shape)
            if theirs.size and np.all(theirs == theirs.flat[0]):
                np.testing.assert_array_equal(ours, theirs, name)
                continue
            self.assertDistribution(plans[name], drawn[tensor.data_ptr()])
            np.testing.assert_array_equal(ours == 0, theirs == 0, name)  # rows of padding
            self.assertSameDistribution(name, ours[ours != 0], theirs[theirs != 0])
        return plans

    def assertSameDistribution(self, name, ours, theirs):
        """Kolmogorov and Smirnov's test of two samples."""
        ours, theirs = np.sort(ours.ravel()), np.sort(theirs.ravel())
        both = np.concatenate([ours, theirs])
        distance = np.abs(np.searchsorted(ours, both, "right") / ours.size - np.searchsorted(theirs, both, "right") / theirs.size)
        threshold = math.sqrt(-math.log(FALSE_ALARM_RATE / 2) / 2 * (ours.size + theirs.size) / (ours.size * theirs.size))
        self.assertLess(distance.max(), threshold, name)

    def test_pytorch_defaults(self):
        nn = self.torch.nn

        class Zoo(nn.Module):
            def __init__(self):
                super().__init__()
                self.linear = nn.Linear(200, 120)
                self.conv1 = nn.Conv1d(12, 20, 5)
                self.conv2 = nn.Conv2d(12, 20, (3, 5), groups=4)
                self.conv3 = nn.Conv3d(4, 6, 3)
                self.up1 = nn.ConvTranspose1d(12, 20, 5)
                self.up2 = nn.ConvTranspose2d(12, 20, 3, groups=2)
                self.up3 = nn.ConvTranspose3d(4, 6, 3)
                self.bilinear = nn.Bilinear(10, 30, 25)
                self.rnn = nn.RNN(40, 60, 2)
                self.gru = nn.GRU(40, 60, 2, bidirectional=True)
                self.lstm = nn.LSTM(40, 60, 2)
                self.projected = nn.LSTM(40, 60, 2, proj_size=24)
                self.cells = nn.ModuleList([nn.RNNCell(40, 60), nn.GRUCell(40, 60), nn.LSTMCell(40, 60)])
                self.attention = nn.MultiheadAttention(64, 4, add_bias_kv=True)
                self.other_attention = nn.MultiheadAttention(64, 4, kdim=48, vdim=32)
                self.encoder = nn.TransformerEncoderLayer(64, 4, 128)
                self.decoder = nn.TransformerDecoderLayer(64, 4, 128)
                self.embedding = nn.Embedding(100, 60)
                self.bag = nn.EmbeddingBag(100, 60)
                self.norms = nn.ModuleList([nn.LayerNorm(60), nn.GroupNorm(2, 60), nn.BatchNorm1d(60), nn.BatchNorm2d(60),
                                            nn.BatchNorm3d(60), nn.InstanceNorm2d(60, affine=True), nn.PReLU(4)])

        self.assertSame(Zoo, "pytorch_defaults")

    def gpt2(self, layers):
        """As nanoGPT's model.py: modules, names and _init_weights."""
        torch = self.torch
        nn = torch.nn

        class Block(nn.Module):
            def __init__(self, d):
                super().__init__()
                self.ln_1, self.ln_2 = nn.LayerNorm(d), nn.LayerNorm(d)
                self.attn, self.mlp = nn.Module(), nn.Module()
                self.attn.c_attn, self.attn.c_proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
                self.attn.register_buffer("bias", torch.tril(torch.ones(8, 8)).view(1, 1, 8, 8))
                self.mlp.c_fc, self.mlp.c_proj = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

        class Gpt(nn.Module):
            def __init__(self, d=64):
                super().__init__()
                self.transformer = nn.ModuleDict({
                    "wte": nn.Embedding(500, d), "wpe": nn.Embedding(32, d), "h": nn.ModuleList([Block(d) for _ in range(layers)]),
                    "ln_f": nn.LayerNorm(d)})
                self.lm_head = nn.Linear(d, 500, bias=False)
                self.lm_head.weight = self.transformer["wte"].weight
                self.apply(self._init_weights)
                for name, p in self.named_parameters():
                    if name.endswith("c_proj.weight"):
                        nn.init.normal_(p, mean=0.0, std=0.02 / math.sqrt(2 * layers))

            @staticmethod
            def _init_weights(module):
                if isinstance(module, nn.Linear):
                    nn.init.normal_(module.weight, mean=0.0, std=0.02)
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)
                elif isinstance(module, nn.Embedding):
                    nn.init.normal_(module.weight, mean=0.0, std=0.02)

        return Gpt

    def test_gpt2(self):
        plans = self.assertSame(self.gpt2(3), "gpt2", layers=3)
        self.assertEqual(plans["lm_head.weight"]["layout"], "tied_to(transformer.wte.weight)")
        self.assertNotIn("transformer.h.0.attn.bias", plans)

    def test_gpt2_deeper_than_layers_is_refused(self):
        tensors = self.tensors_of(self.built(self.gpt2(3))[0])
        refused = cli("plan", *self.flags(tensors, "gpt2", {"layers": 2}), expect=1).err
        self.assertIn('"transformer.h.2.attn.c_proj.weight"', refused)
        self.assertRegex(refused, r"recipes/gpt2\.yaml:\d+: rules\[1\]\.scale")

    def test_bert(self):
        nn = self.torch.nn
        torch = self.torch

        class Layer(nn.Module):
            def __init__(self, d):
                super().__init__()
                self.attention, self.intermediate, self.output = nn.Module(), nn.Module(), nn.Module()
                attention = self.attention
                setattr(attention, "self", nn.ModuleDict({name: nn.Linear(d, d) for name in ("query", "key", "value")}))
                attention.output = nn.ModuleDict({"dense": nn.Linear(d, d), "LayerNorm": nn.LayerNorm(d)})
                self.intermediate.dense = nn.Linear(d, 4 * d)
                self.output.dense, self.output.LayerNorm = nn.Linear(4 * d, d), nn.LayerNorm(d)

        class Bert(nn.Module):
            """The names and the _init_weights of transformers' BertForPreTraining."""

            def __init__(self, d=64):
                super().__init__()
                embeddings = nn.Module()
                embeddings.register_buffer("position_ids", torch.arange(32).expand((1, -1)))
                embeddings.word_embeddings = nn.Embedding(500, d, padding_idx=0)
                embeddings.position_embeddings, embeddings.token_type_embeddings = nn.Embedding(32, d), nn.Embedding(2, d)
                embeddings.LayerNorm = nn.LayerNorm(d)
                self.bert, self.cls = nn.Module(), nn.Module()
                self.bert.embeddings, self.bert.encoder, self.bert.pooler = embeddings, nn.Module(), nn.Module()
                self.bert.encoder.layer = nn.ModuleList([Layer(d), Layer(d)])
                self.bert.pooler.dense = nn.Linear(d, d)
                self.cls.predictions = nn.Module()
                self.cls.predictions.transform = nn.ModuleDict({"dense": nn.Linear(d, d), "LayerNorm": nn.LayerNorm(d)})
                self.cls.predictions.decoder = nn.Linear(d, 500)
                self.cls.seq_relationship = nn.Linear(d, 2)
                self.cls.predictions.decoder.weight = embeddings.word_embeddings.weight
                self.cls.predictions.bias = self.cls.predictions.decoder.bias
                self.apply(self._init_weights)

            @staticmethod
            def _init_weights(module):
                if isinstance(module, nn.Linear):
                    module.weight.data.normal_(mean=0.0, std=0.02)
                    if module.bias is not None:
                        module.bias.data.zero_()
                elif isinstance(module, nn.Embedding):
                    module.weight.data.normal_(mean=0.0, std=0.02)
                    if module.padding_idx is not None:
                        module.weight.data[module.padding_idx].zero_()
                elif isinstance(module, nn.LayerNorm):
                    module.bias.data.zero_()
                    module.weight.data.fill_(1.0)

        def build():
            bert = Bert()
            # transformers pads after the head has drawn the tied weight once more.
            bert.bert.embeddings.word_embeddings.weight.data[0].zero_()
            return bert

        plans = self.assertSame(build, "bert")
        self.assertIn("tied_to(bert.embeddings.word_embeddings.weight", plans["cls.predictions.decoder.weight"]["layout"])
        self.assertNotIn("bert.embeddings.position_ids", plans)

    def test_vit(self):
        models = harness.require_module("torchvision.models", "python3-torchvision")
        self.assertSame(lambda: models.VisionTransformer(64, 16, 2, 4, 96, 192, num_classes=10), "vit")
        self.assertSame(lambda: models.VisionTransformer(64, 16, 1, 4, 96, 192, num_classes=10, representation_size=80), "vit")

    def test_resnet(self):
        resnet = harness.require_module("torchvision.models.resnet", "python3-torchvision")
        small = {"num_classes": 10, "zero_init_residual": True, "width_per_group": 64}
        self.assertSame(lambda: resnet.ResNet(resnet.BasicBlock, [1, 2, 1, 1], **small), "resnet_basic")
        self.assertSame(lambda: resnet.ResNet(resnet.Bottleneck, [1, 2, 1, 1], **small), "resnet_bottleneck")

    def test_resnet_of_the_other_blocks_is_refused(self):
        resnet = harness.require_module("torchvision.models.resnet", "python3-torchvision")
        for block, recipe, words in (
            (resnet.BasicBlock, "resnet_bottleneck", r"bn3.*matches no tensor"),
            (resnet.Bottleneck, "resnet_basic", r'"layer1\.0\.bn3\.weight" has no init'),
        ):
            tensors = self.tensors_of(resnet.ResNet(block, [1, 1, 1, 1], num_classes=10))
            self.assertRegex(cli("plan", *self.flags(tensors, recipe, {}), expect=1).err, words)

    def test_what_the_comparison_tells_apart(self):
        nn = self.torch.nn

        def other():
            module = nn.Sequential(nn.Embedding(100, 60))
            nn.init.normal_(module[0].weight, std=1 + 1e-12)
            return module

        with self.assertRaisesRegex(AssertionError, "1.000000000001"):
            self.assertSame(other, "pytorch_defaults")
        rng = np.random.default_rng(1)
        with self.assertRaises(AssertionError):
            self.assertSameDistribution("", rng.normal(size=40000), 1.2 * rng.normal(size=40000))


class UseTest(RecipeTest):
    def test_every_recipe_says_what_it_is_where_it_is_from_and_how_it_is_used(self):
        recipes = json.loads(cli("recipes", "--json").text)["recipes"]
        self.assertEqual(
            [recipe["name"] for recipe in recipes],
            ["article_net", "article_net_torch", "bert", "deepnorm", "deepnorm_encoder_decoder", "flax_defaults", "gpt2", "keras_defaults", "llama3", "megatron_gpt", "mup", "pytorch_defaults",
             "resnet50", "resnet_basic", "resnet_bottleneck", "t5", "vit"])
        for recipe in recipes:
            text = cli("recipes", recipe["name"]).text
            self.assertGreater(len(recipe["description"]), 10)
            if "\ntensors:" in text:
                self.assertEqual(recipe["use"], f"model {recipe['name']}")
                continue
            self.assertIn("\n# Source: ", text)
            self.assertTrue(recipe["use"].startswith(f"model TENSORS --rules {recipe['name']}"), recipe)

    def test_rules_alone_ask_for_tensors(self):
        for arguments in (("plan", "gpt2"), ("model", "gpt2"), ("digest", "llama3"), ("diff", "t5", "t5")):
            refused = cli(*arguments, expect=1).err
            self.assertIn("has no tensors but rules for those of another file", refused)
            self.assertIn(f"TENSORS --rules {arguments[1]}", refused)

    def test_constants(self):
        tensors = {"h.0.mlp.c_proj.weight": [4, 4], "h.0.mlp.c_fc.weight": [4, 4], "wte.weight": [4, 4], "ln_f.weight": [4]}
        flags = self.flags(tensors, "gpt2", {})
        self.assertRegex(cli("plan", *flags, expect=1).err, r'gpt2\.yaml:\d+: rules\[1\]\.scale: .*"layers".*--constant NAME=NUMBER')
        for constant, words in (
            ("layers", "is not NAME=NUMBER"),
            ("=3", "is not NAME=NUMBER"),
            ("layers=x", "--constant layers: 'x'"),
            ("layers=", "--constant layers: ''"),
            ("layrs=3", "no scale of the recipe's rules uses 'layrs'; did you mean 'layers'?"),
            ("width=3", "uses 'width'; known: layer, layers"),
        ):
            self.assertIn(words, cli("plan", *flags, "--constant", constant, expect=2).err)
        twice = ("--constant", "layers=3", "--constant", "layers=4")
        self.assertIn("given twice", cli("plan", *flags, *twice, expect=2).err)
        self.assertIn("go with a RECIPE", cli("plan", "--shape", "2", "--init", "ones", "--constant", "a=1", expect=2).err)
        same = cli("diff", flags[0], flags[0], "--rules", "gpt2", "--constant", "layers=2")
        self.assertIn("the same bits", same.err)

    def test_a_checkpoint_takes_rules(self):
        tensors = {"h.0.mlp.c_proj.weight": [4, 4], "h.0.mlp.c_fc.weight": [4, 4], "wte.weight": [4, 4], "ln_f.weight": [4]}
        first, second = self.path("first.safetensors"), self.path("second.safetensors")
        cli("model", *self.flags(tensors, "gpt2", {"layers": 1}), "-o", first)
        cli("model", first, "--rules", "gpt2", "--constant", "layers=1", "-o", second)
        self.assertSameBytes(harness.read(first), harness.read(second))
        cli("verify", second, "--recipe", first, "--rules", "gpt2", "--constant", "layers=1")
        cli("verify", second, "--recipe", first, "--rules", "gpt2", "--constant", "layers=4", expect=1)


if __name__ == "__main__":
    harness.main()
