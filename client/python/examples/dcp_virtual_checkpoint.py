"""Loads a checkpoint that was never written, by torch.distributed.checkpoint: where a job says dcp.load, a recipe may stand.

    python dcp_virtual_checkpoint.py
    torchrun --nproc-per-node=2 dcp_virtual_checkpoint.py

Needs torch 2.6 or later.
"""

import warnings

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

import weightinit
import weightinit.torch


def main():
    distributed = dist.is_torchelastic_launched()
    if distributed:
        dist.init_process_group("gloo")
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(100, 400), nn.ReLU(), nn.Linear(400, 10))
    rules = [{"name_regex": r".*\.bias", "init": "zeros"}, {"module": "Linear", "init": "kaiming_normal(nonlinearity=relu)"}]
    recipe = weightinit.Recipe.from_dict(weightinit.torch.manifest(model, rules), seed=1)

    if distributed:
        fully_shard(model, mesh=init_device_mesh("cpu", (dist.get_world_size(),)))
    model.to_empty(device="cpu")

    state = {"model": model.state_dict()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dcp says that it runs in one process
        dcp.load(state, storage_reader=weightinit.torch.RecipeReader(recipe, prefix="model."))
    model.load_state_dict(state["model"])

    digest = weightinit.torch.attest(model, recipe)
    if not distributed or dist.get_rank() == 0:
        print(f"model digest {digest:016x}")
    if distributed:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
