"""A small language model on 1, 2 or 4 ranks of FSDP2: each rank draws its own shards, and the weights are the same bit for bit.

    torchrun --nproc-per-node=1 fsdp2_gloo.py
    torchrun --nproc-per-node=4 fsdp2_gloo.py

Both print one model digest, and a loss curve that differs by the rounding of sums over ranks alone. Needs torch 2.6 or later.
"""

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn import functional as F

import weightinit
import weightinit.torch

VOCABULARY, WIDTH, LAYERS, CONTEXT, BATCH = 256, 64, 4, 32, 16
RULES = [
    {"module": "LayerNorm", "name_regex": r".*\.weight", "init": "ones"},
    {"name_regex": r".*\.bias", "init": "zeros"},
    # As GPT-2: what adds to the residual stream is smaller, the deeper the model.
    {"name_regex": r"layers\.\d+\.down\.weight", "init": "normal(std=0.02)", "scale": f"1/sqrt(2*{LAYERS})"},
    {"name_regex": ".*", "init": "normal(std=0.02)"},
]


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        # A token sees the mean of those before it: enough of attention for an example.
        past = x.cumsum(1) / torch.arange(1, x.shape[1] + 1).view(1, -1, 1)
        return x + self.down(F.gelu(self.up(self.norm(x + past))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        self.layers = nn.ModuleList([Layer() for _ in range(LAYERS)])
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens):
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


def main():
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    with torch.device("meta"):  # no rank ever holds the whole model
        model = Model()
    recipe = weightinit.Recipe.from_dict(weightinit.torch.manifest(model, RULES), seed=42)
    mesh = init_device_mesh("cpu", (world,))
    for layer in model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    weightinit.torch.init_(model, recipe, device="cpu")
    digest = weightinit.torch.attest(model, recipe)
    if rank == 0:
        print(f"{world} ranks, model digest {digest:016x}", flush=True)

    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    data = torch.Generator().manual_seed(0)
    for step in range(10):
        start = torch.randint(VOCABULARY, (BATCH, 1), generator=data)
        tokens = (start + 3 * torch.arange(CONTEXT + 1)) % VOCABULARY  # the same batch everywhere
        mine = tokens[rank * BATCH // world : (rank + 1) * BATCH // world]
        loss = F.cross_entropy(model(mine[:, :-1]).flatten(0, 1), mine[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        mean = loss.detach() / world
        dist.all_reduce(mean)
        if rank == 0:
            print(f"step {step}  loss {mean.item():.4f}", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
