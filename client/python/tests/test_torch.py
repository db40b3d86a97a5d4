"""PyTorch in one process: modules, meta, tied weights, manifests, digests, checkpoints that were never written."""

import json

import numpy as np
import pytest
from conftest import bits, need

torch = need("torch")

import weightinit  # noqa: E402
import weightinit.torch as wt  # noqa: E402
from weightinit import errors  # noqa: E402

nn = torch.nn
RULES = [
    {"name_regex": r".*\.num_batches_tracked", "init": "zeros", "may_be_idle": True},
    {"module": "LayerNorm", "name_regex": r".*\.weight", "init": "ones", "may_be_idle": True},
    {"name_regex": ".*", "init": "normal(std=0.02)"},
]


class Net(nn.Module):
    def __init__(self, tie=True):
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.layers = nn.ModuleList([nn.Linear(16, 16) for _ in range(3)])
        self.norm = nn.LayerNorm(16)
        self.bn = nn.BatchNorm1d(16)
        self.head = nn.Linear(16, 50, bias=False)
        if tie:
            self.head.weight = self.embed.weight
        self.register_buffer("positions", torch.arange(7), persistent=False)


def recipe_of(module):
    return weightinit.Recipe.from_dict(wt.manifest(module, RULES))


def assert_is(module, recipe, dtype=None):
    """Every parameter has the bits that the recipe says."""
    with weightinit.open(recipe) as weights:
        buffers = dict(module.named_buffers())
        for name, tensor in module.state_dict().items():  # which has each name of a tied one
            if name in buffers:
                continue
            expected = weights[name].read(dtype=dtype)
            assert bits(wt.to_numpy(tensor)) == bits(expected), name


def test_manifest_of_a_module_on_meta():
    with torch.device("meta") if hasattr(torch.device, "__enter__") else pytest.skip("torch 2.0"):
        meta = Net()
    entries = {entry["name"]: entry for entry in wt.manifest(meta)["tensors"]}
    assert entries["layers.1.weight"] == {"name": "layers.1.weight", "shape": [16, 16], "module": "Linear", "dtype": "FLOAT32"}
    assert entries["bn.num_batches_tracked"] == {
        "name": "bn.num_batches_tracked", "shape": [], "module": "BatchNorm1d", "dtype": "INT64", "buffer": True,
    }  # fmt: skip
    assert entries["head.weight"]["view"] == {"tied_to": "embed.weight"}
    assert "positions" not in entries
    assert list(entries) == list(Net().state_dict())
    assert json.loads(json.dumps(wt.manifest(meta))) == wt.manifest(Net())


@pytest.mark.parametrize("where", ["local", "remote"])
def test_init_fills_in_place(server, where):
    net = Net()
    memory = {name: p.data_ptr() for name, p in net.named_parameters()}
    recipe = recipe_of(net)
    report = wt.init_(net, recipe, "local" if where == "local" else server.address)
    assert {name: p.data_ptr() for name, p in net.named_parameters()} == memory
    assert report.untouched_buffers == ["positions"] and report.not_in_module == ["head.weight"]
    assert net.positions.tolist() == list(range(7)) and (net.norm.weight == 1).all()
    assert bits(net.bn.running_mean.numpy()) == bits(weightinit.open(recipe)["bn.running_mean"][...])
    assert_is(net, recipe)


def test_init_draws_in_the_parameters_dtype():
    net = Net().to(torch.bfloat16)
    recipe = recipe_of(Net())
    wt.init_(net, recipe)
    assert_is(net, recipe, "bfloat16")
    expected = weightinit.open(recipe)["embed.weight"][...]
    assert bits(wt.to_numpy(net.embed.weight)) == bits(wt.to_numpy(torch.from_numpy(expected).to(torch.bfloat16)))


def test_tensors_that_are_not_contiguous():
    net = nn.Linear(6, 4, bias=False)
    net.weight = nn.Parameter(torch.zeros(6, 4).T)
    recipe = recipe_of(net)
    wt.init_(net, recipe)
    assert_is(net, recipe)


def test_init_from_meta_keeps_ties_and_leaves_other_buffers():
    if not hasattr(torch.device, "__enter__"):
        pytest.skip("torch 2.0")
    with torch.device("meta"):
        net = Net()
    recipe = recipe_of(net)
    with pytest.raises(errors.FailedPreconditionError, match="device="):
        wt.init_(net, recipe)
    assert net.embed.weight.is_meta
    report = wt.init_(net, recipe, device="cpu")
    assert report.untouched_buffers == ["positions"] and net.positions.is_meta
    assert net.head.weight is net.embed.weight and isinstance(net.head.weight, nn.Parameter)
    assert net.embed.weight.requires_grad and not net.bn.running_mean.is_meta
    assert_is(net, recipe)


def test_nothing_is_changed_by_a_refusal():
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    before = {name: p.clone() for name, p in net.named_parameters()}
    recipe = {"rules": [{"name_regex": ".*", "init": "normal"}]}
    names = wt.manifest(net)["tensors"]
    with pytest.raises(errors.NotFoundError, match=r"1\.weight, 1\.bias") as caught:
        wt.init_(net, weightinit.Recipe.from_dict({**recipe, "tensors": names[:2]}))
    assert [violation.field for violation in caught.value.violations] == ["1.weight", "1.bias"]
    names[2]["shape"] = [1, 3]
    with pytest.raises(errors.FailedPreconditionError, match="was the vocabulary padded by 1"):
        wt.init_(net, weightinit.Recipe.from_dict({**recipe, "tensors": names}))
    names[2]["shape"] = [2, 4]
    with pytest.raises(errors.FailedPreconditionError) as caught:
        wt.init_(net, weightinit.Recipe.from_dict({**recipe, "tensors": names}))
    assert "padded" not in str(caught.value)
    assert all(torch.equal(before[name], p) for name, p in net.named_parameters())


def linear(**options):
    return nn.Linear(4, 3, bias=False, **options)


def shared():
    net = linear()
    net.weight = nn.Parameter(torch.zeros(1, 1).expand(3, 4))
    return net


@pytest.mark.parametrize(
    "action, class_, text",
    [
        (lambda recipe: wt.init_(None, recipe), TypeError, "a torch.nn.Module, not NoneType"),
        (lambda recipe: wt.init_(linear(device="meta"), recipe, device="meta"), ValueError, "device: meta has no memory"),
        (lambda recipe: wt.init_(linear(dtype=torch.complex64), recipe), ValueError, "weight: torch.complex64 is not drawn"),
        (lambda recipe: wt.attest(linear(device="meta"), recipe), errors.FailedPreconditionError, "weight: on meta"),
        (lambda recipe: wt.init_(shared(), recipe), ValueError, "for weight: several of its elements are one in memory"),
        (lambda recipe: wt.manifest(linear(), "gpt2"), TypeError, "a list of rules, each a dict, not str"),
        (lambda recipe: wt.manifest(linear(dtype=torch.complex64)), ValueError, "weight: torch.complex64 is not drawn"),
        (lambda recipe: wt.manifest(nn.Linear), TypeError, "a torch.nn.Module, not <class"),
        (lambda recipe: wt.to_numpy([1.0]), TypeError, "not a torch.Tensor but list"),
        (lambda recipe: weightinit.digest(torch.zeros(3, 4).to_sparse()), errors.UnsupportedError, "take the dense tensor"),
    ],
)
def test_wrong_uses_are_said(action, class_, text):
    with pytest.raises(class_, match=text):
        action(recipe_of(linear()))


def test_a_type_that_the_tensor_does_not_have_is_refused_by_name():
    net = nn.Module()
    net.count = nn.Parameter(torch.ones(3, dtype=torch.int64), requires_grad=False)
    with pytest.raises(errors.InvalidArgumentError, match="^count: INT64 for a tensor of FLOAT32"):
        wt.init_(net, weightinit.Recipe.from_dict({"tensors": [{"name": "count", "shape": [3], "init": "normal"}]}))
    assert (net.count == 1).all()


def test_flat_parameters_of_fsdp1_are_refused():
    class FlatParameter(nn.Parameter):
        pass

    net = nn.Module()
    net._flat_param = FlatParameter(torch.zeros(4))
    with pytest.raises(errors.UnsupportedError, match="fully_shard"):
        wt.init_(net, weightinit.Recipe.from_dict({"tensors": [{"name": "_flat_param", "shape": [4], "init": "zeros"}]}))


def test_a_manifest_leaves_out_buffers_that_are_never_drawn():
    net = linear()
    net.register_buffer("freqs_cis", torch.zeros(2, dtype=torch.complex64))
    assert [entry["name"] for entry in wt.manifest(net)["tensors"]] == ["weight"]
    wt.init_(net, recipe_of(net))


def test_parameters_without_elements_are_filled_with_nothing():
    net = nn.Linear(0, 3)
    assert wt.init_(net, recipe_of(net)).filled == ["weight", "bias"]


def test_attest_finds_one_bit():
    net = Net()
    recipe = recipe_of(net)
    wt.init_(net, recipe)
    assert wt.attest(net, recipe) == recipe.digest()
    with torch.no_grad():
        net.layers[1].bias[3] = float(np.nextafter(np.float32(net.layers[1].bias[3]), np.float32(1)))
    with pytest.raises(errors.DataLossError, match="not the recipe's weights: layers.1.bias"):
        wt.attest(net, recipe)


def test_digests_of_torch_tensors():
    recipe = recipe_of(Net())
    tensor = torch.from_numpy(weightinit.open(recipe)["embed.weight"][...])
    assert weightinit.digest(tensor) == weightinit.open(recipe)["embed.weight"].digest()
    part = weightinit.Part((50, 16), np.s_[::2, 3:])
    assert weightinit.digest(tensor[::2, 3:], part) == weightinit.open(recipe)["embed.weight"].digest(np.s_[::2, 3:])
    assert weightinit.digest(torch._neg_view(-tensor)) == weightinit.digest(tensor)
    half = tensor.to(torch.bfloat16)
    assert weightinit.digest(half) == weightinit.open(recipe)["embed.weight"].digest(dtype="bfloat16")


# Replay ---------------------------------------------------------------------------------------------------------------

REPLAY_RULES = [
    {"module": "LayerNorm", "name_regex": r".*\.weight", "init": "ones"},
    {"module": "Embedding", "name_regex": r".*\.weight", "init": "normal(std=0.02)"},
    {"module": "Linear", "name_regex": r"layers\..*\.weight", "init": "kaiming_uniform(nonlinearity=relu)"},
    {"module": "Linear", "name_regex": r"head\.weight", "init": "xavier_normal"},
    {"name_regex": r".*\.bias", "init": "zeros"},
]


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.layers = nn.ModuleList([nn.Linear(16, 16) for _ in range(3)])
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 50)

    def torchs_own(self, seed):
        """Filled by torch, one tensor after the other."""
        torch.manual_seed(seed)
        for name, parameter in self.named_parameters():
            if name.endswith(".bias"):
                nn.init.zeros_(parameter)
            elif name == "norm.weight":
                nn.init.ones_(parameter)
            elif name == "embed.weight":
                nn.init.normal_(parameter, std=0.02)
            elif name == "head.weight":
                nn.init.xavier_normal_(parameter)
            else:
                nn.init.kaiming_uniform_(parameter, nonlinearity="relu")
        return self


def replayed(seed):
    """The recipe as this processor's torch draws it."""
    recipe = weightinit.Recipe.from_dict(wt.manifest(Plain(), REPLAY_RULES), seed=seed)
    capability = getattr(torch.backends, "cpu", None)  # before torch 2.1 it does not say
    portable = capability is not None and capability.get_cpu_capability() == "DEFAULT"
    return recipe.with_generator("torch_cpu(variant=DEFAULT)") if portable else recipe


@pytest.mark.parametrize("where", ["local", "remote"])
def test_rng_replay_draws_what_torch_draws(server, where):
    net, recipe = Plain(), replayed(seed=7)
    wt.init_(net, recipe, "local" if where == "local" else server.address, rng_replay=True)
    for (name, ours), theirs in zip(net.named_parameters(), Plain().torchs_own(7).parameters()):
        assert bits(wt.to_numpy(ours)) == bits(wt.to_numpy(theirs)), name
    assert wt.attest(net, recipe, rng_replay=True) == wt.replay(recipe).digest()


@pytest.mark.filterwarnings("ignore")
def test_rng_replay_of_a_checkpoint(dcp):
    recipe = replayed(seed=8)
    state = {name: torch.zeros_like(tensor) for name, tensor in Plain().state_dict().items()}
    dcp.load(state, storage_reader=wt.RecipeReader(recipe, rng_replay=True))
    for name, theirs in Plain().torchs_own(8).state_dict().items():
        assert torch.equal(state[name], theirs), name


def test_rng_replay_changes_no_other_replay():
    recipe = weightinit.Recipe.from_dict(wt.manifest(Plain(), REPLAY_RULES))
    assert recipe.generator == "philox_v1" and wt.replay(recipe).generator == "torch_cpu"
    other = recipe.with_generator("torch_cpu(variant=AVX2_NOFMA)")
    assert wt.replay(other) is other
    with pytest.raises(errors.InvalidArgumentError, match="generator: jax_threefry replays JAX"):
        wt.init_(Plain(), recipe.with_generator("jax_threefry"), rng_replay=True)
    with weightinit.open(recipe) as weights, pytest.raises(errors.InvalidArgumentError, match="weightinit.torch.replay"):
        wt.init_(Plain(), weights, rng_replay=True)
    with pytest.raises(errors.InvalidArgumentError, match="generator"):
        recipe.with_generator("mersenne")


# Checkpoints ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def dcp():
    need_modern_torch()
    import torch.distributed.checkpoint as module

    return module


def need_modern_torch():
    if [int(part) for part in torch.__version__.split(".")[:2]] < [2, 4]:
        pytest.skip("MISSING PEER: torch 2.4 or later")


@pytest.mark.filterwarnings("ignore")
def test_a_checkpoint_that_was_never_written(dcp):
    net, recipe = Net(), recipe_of(Net())
    state = {"model": {name: torch.zeros_like(tensor) for name, tensor in net.state_dict().items()}}
    dcp.load(state, storage_reader=wt.RecipeReader(recipe, prefix="model."))
    net.load_state_dict(state["model"])
    assert_is(net, recipe)
    assert wt.attest(net, recipe) == recipe.digest()
    half = {"embed.weight": torch.zeros(50, 16, dtype=torch.bfloat16)}
    dcp.load(half, storage_reader=wt.RecipeReader(recipe))
    assert bits(wt.to_numpy(half["embed.weight"])) == bits(weightinit.open(recipe)["embed.weight"].read(dtype="bfloat16"))
    # The names that wrappers make lead to tensors too.
    wrapped = {"_orig_mod.embed.weight": torch.zeros(50, 16)}
    dcp.load(wrapped, storage_reader=wt.RecipeReader(recipe))
    assert_same = bits(wrapped["_orig_mod.embed.weight"].numpy()) == bits(weightinit.open(recipe)["embed.weight"][...])
    assert assert_same


@pytest.mark.filterwarnings("ignore")
def test_what_a_recipe_cannot_have_is_named_once(dcp):
    recipe = recipe_of(Net())
    state = {
        "model": {"embed.weight": torch.zeros(50, 16), "layers.0._extra_state": torch.zeros(3)},
        "optimizer": {"step": 3, "exp_avg": torch.ones(2)},
    }
    with pytest.raises(BaseException) as caught:
        dcp.load(state, storage_reader=wt.RecipeReader(recipe, prefix="model."))
    for key in ("model.layers.0._extra_state", "optimizer.step", "optimizer.exp_avg", "allow_partial_load"):
        assert key in str(caught.value)
    assert not state["model"]["embed.weight"].any()
    with pytest.raises(TypeError, match="a prefix is a str"):
        wt.RecipeReader(recipe, prefix=None)
    with pytest.raises(BaseException, match=r"its keys are such as embed\.weight"):  # the prefix is missing
        dcp.load({"model": {"embed.weight": torch.zeros(50, 16)}}, storage_reader=wt.RecipeReader(recipe))
    planner = dcp.DefaultLoadPlanner(allow_partial_load=True)
    dcp.load(state, storage_reader=wt.RecipeReader(recipe, prefix="model."), planner=planner)
    assert bits(state["model"]["embed.weight"].numpy()) == bits(weightinit.open(recipe)["embed.weight"][...])
    assert state["optimizer"]["step"] == 3 and state["optimizer"]["exp_avg"].all()


@pytest.mark.filterwarnings("ignore")
def test_a_padded_vocabulary_is_suspected(dcp):
    with pytest.raises(BaseException, match=r"embed\.weight: .*was the vocabulary padded by 14\?"):
        dcp.load({"embed.weight": torch.zeros(64, 16)}, storage_reader=wt.RecipeReader(recipe_of(Net())))
