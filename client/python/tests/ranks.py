"""What the ranks of test_torch_ranks.py run: weights on a mesh, compared with the whole. One argument: the layout."""

import math
import os
import sys

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

import weightinit
import weightinit.torch as wt

try:
    from torch.distributed.fsdp import fully_shard
except ImportError:
    from torch.distributed._composable.fsdp import fully_shard


class Block(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(self.norm(x))))


class Net(nn.Module):
    def __init__(self, width=24, inner=48):
        super().__init__()
        self.embed = nn.Embedding(53, width)  # uneven for every mesh
        self.blocks = nn.ModuleList([Block(width, inner) for _ in range(2)])
        self.register_buffer("scale", torch.ones(3))

    def forward(self, x):
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return x


def recipe():
    rules = [{"name_regex": "scale", "init": "ones"}, {"name_regex": ".*", "init": "normal(std=0.5)"}]
    return weightinit.Recipe.from_dict(wt.manifest(Net(), rules), seed=11)


def sharded(layout, world):
    with torch.device("meta"):
        net = Net()
    if layout == "fsdp":
        mesh = init_device_mesh("cpu", (world,))
    elif layout == "tp":
        mesh = init_device_mesh("cpu", (world,))
        tensor_parallel(net, mesh)
        return net
    elif layout == "fsdp_tp":
        both = init_device_mesh("cpu", (world // 2, 2), mesh_dim_names=("dp", "tp"))
        tensor_parallel(net, both["tp"])
        mesh = both["dp"]
    elif layout == "hsdp":
        mesh = init_device_mesh("cpu", (2, world // 2), mesh_dim_names=("replicate", "shard"))
    for block in net.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(net, mesh=mesh)
    return net


def tensor_parallel(net, mesh):
    for block in net.blocks:
        parallelize_module(block, mesh, {"up": ColwiseParallel(), "down": RowwiseParallel()})


def whole_of(tensor):
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def check(net, what):
    with weightinit.open(recipe()) as weights:
        for name, tensor in net.state_dict().items():
            assert weightinit.digest(whole_of(tensor).contiguous()) == weights[name].digest(), f"{what}: {name}"


def modules(layout, world):
    source = os.environ.get("SOURCE", "local")
    net = sharded(layout, world)
    wt.init_(net, recipe(), source, device="cpu")
    check(net, f"init_ {layout}")
    assert wt.attest(net, recipe()) == recipe().digest(), "attest"
    if layout in ("fsdp", "fsdp_tp", "hsdp"):
        assert torch.isfinite(whole_of(net(torch.arange(8)[None]))).all()
    checkpoint(layout, world)
    wrong_on_one_rank(net)
    if layout == "fsdp" and world == 2:
        fsdp1()


def fsdp1():
    """Flat parameters are refused, with the way out, which works."""
    from torch.distributed.fsdp import FullyShardedDataParallel

    for use_orig_params in (False, True):
        net = FullyShardedDataParallel(Net(), use_orig_params=use_orig_params, device_id=torch.device("cpu"))
        try:
            wt.init_(net, recipe())
            raise SystemExit("a flat parameter was not seen")
        except weightinit.errors.UnsupportedError as error:
            assert "fully_shard" in str(error) and error.code == "UNIMPLEMENTED", error
        with FullyShardedDataParallel.summon_full_params(net):
            wt.init_(net, recipe())
            assert wt.attest(net, recipe()) == recipe().digest()


def checkpoint(layout, world):
    import torch.distributed.checkpoint as dcp

    net = sharded(layout, world)
    net.to_empty(device="cpu")
    state = {"model": net.state_dict()}
    dcp.load(state, storage_reader=wt.RecipeReader(recipe(), os.environ.get("SOURCE", "local"), prefix="model."))
    check(net, f"dcp {layout}")


class Gpt2Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.attn_c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.mlp_c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)


class Gpt2(nn.Module):
    """The 124 million weights of GPT-2, its head tied to its embedding."""

    def __init__(self, width=768, layers=12):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(50257, width), nn.Embedding(1024, width)
        self.h = nn.ModuleList([Gpt2Block(width) for _ in range(layers)])
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, 50257, bias=False)
        self.lm_head.weight = self.wte.weight


GPT2_RULES = [
    {"name_regex": r".*ln_.*\.weight", "init": "ones"},
    {"name_regex": r".*\.bias", "init": "zeros"},
    {"name_regex": r"h\.\d+\..*c_proj\.weight", "init": "normal(std=0.02)", "scale": "1/sqrt(2*12)"},
    {"name_regex": ".*", "init": "normal(std=0.02)"},
]


def gpt2(world):
    """A checkpoint of GPT-2 that was never written, loaded into shards."""
    import torch.distributed.checkpoint as dcp

    with torch.device("meta"):
        net = Gpt2()
    recipe = weightinit.Recipe.from_dict(wt.manifest(net, GPT2_RULES), seed=1)
    assert sum(math.prod(tensor.shape) for tensor in recipe.tensors[:-1]) == 124_439_808
    mesh = init_device_mesh("cpu", (world,))
    for block in net.h:
        fully_shard(block, mesh=mesh)
    fully_shard(net, mesh=mesh)
    net.to_empty(device="cpu")
    state = {"model": net.state_dict()}
    dcp.load(state, storage_reader=wt.RecipeReader(recipe, os.environ.get("SOURCE", "local"), prefix="model."))
    digest = wt.attest(net, recipe)
    if dist.get_rank() == 0:
        assert digest == recipe.digest()


def wrong_on_one_rank(net):
    """Every rank is told of it."""
    last = dist.get_rank() == dist.get_world_size() - 1
    tensor = net.blocks[1].up.weight
    local = tensor.to_local() if isinstance(tensor, DTensor) else tensor.data
    if last:
        with torch.no_grad():
            local.reshape(-1)[0] += 1
    try:
        wt.attest(net, recipe())
        raise SystemExit("a wrong value was not seen")
    except weightinit.errors.DataLossError as error:
        assert ("blocks.1.up.weight" in str(error)) == last, error
        assert last or "1 other ranks" in str(error), error
    try:
        wt.attest(net, "no/such/recipe.yaml" if last else recipe())
        raise SystemExit("a recipe that is not there was not seen")
    except (weightinit.errors.NotFoundError, weightinit.errors.DataLossError) as error:
        assert isinstance(error, weightinit.errors.NotFoundError) == last, error


def placements(world):
    """Tensors with placements that no wrapper makes: several shards of one dimension, odd sizes, replicas."""
    spec = {"tensors": [{"name": "w", "shape": [13, 10, 7], "init": "normal"}]}
    one = init_device_mesh("cpu", (world,))
    layouts = [(one, [Shard(0)]), (one, [Shard(1)]), (one, [Shard(2)]), (one, [Replicate()])]
    if world == 4:
        two = init_device_mesh("cpu", (2, 2))
        layouts += [(two, list(p)) for p in [(Shard(0), Shard(0)), (Shard(1), Shard(0)), (Replicate(), Shard(1)), (Shard(2), Replicate())]]
    whole = torch.from_numpy(weightinit.open(weightinit.Recipe.from_dict(spec))["w"][...])
    for mesh, places in layouts:
        holder = nn.Module()
        holder.w = nn.Parameter(distribute_tensor(torch.zeros(13, 10, 7), mesh, places))
        wt.init_(holder, weightinit.Recipe.from_dict(spec))
        expected = distribute_tensor(whole, mesh, places)
        assert torch.equal(holder.w.to_local(), expected.to_local()), places


if __name__ == "__main__":
    dist.init_process_group("gloo")
    if sys.argv[1] == "placements":
        placements(dist.get_world_size())
    elif sys.argv[1] == "gpt2":
        gpt2(dist.get_world_size())
    else:
        modules(sys.argv[1], dist.get_world_size())
    dist.barrier()
    dist.destroy_process_group()
