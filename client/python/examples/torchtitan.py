"""Where a torchtitan user puts it. This file is a recipe for an edit, not a program: torchtitan is not among our dependencies. Tried
with the Llama 3 of torchtitan 0.2.0 on a CPU; do not start Python in this folder, where this file hides torchtitan itself.

torchtitan loads seed checkpoints by `dcp.load(state_dict, checkpoint_id=…)`, which has no place for a reader. Two ways around it.

1. Instead of the model's own init_weights. In torchtitan's train.py, after the model was parallelized on meta:

       for m in model_parts:
           m.to_empty(device=init_device)
           with torch.no_grad():
               m.init_weights(buffer_device=buffer_device)

   becomes

       for m in model_parts:
           m.to_empty(device=init_device)
           with torch.no_grad():
               m.init_weights(buffer_device=buffer_device)     # still makes the buffers, such as the rotary tables
           weightinit.torch.init_(m, recipe, source)           # then every parameter is the recipe's

   The recipe is that of the whole model, made once on meta by :func:`write_recipe`; each pipeline stage and each rank draws what
   it holds. `Report.not_in_module` lists what other stages hold.

2. Instead of a seed checkpoint: before the first step,

       dcp.load(ModelWrapper(model_parts).state_dict(), storage_reader=weightinit.torch.RecipeReader(recipe, source))
"""

import json

import torch

import weightinit.torch

def llama_rules(dim: int):
    """As torchtitan's Llama 3 of this width initializes itself (with depth_init): attention and MLP write into the residual stream.
    With tied embeddings, drop the first rule: the output layer's is theirs."""
    cut = "low=-2, high=2, bounds=ABSOLUTE"
    std = dim**-0.5
    return [
        {"name_regex": r"tok_embeddings\.weight", "init": "normal"},
        {"name_regex": r".*norm\.weight", "init": "ones"},
        {
            "name_regex": r"layers\.(?P<layer>\d+)\.(attention\.wo|feed_forward\.w[23])\.weight",
            "init": f"truncated_normal(std=0.02, {cut})",
            # torch.nn.init.trunc_normal_ cuts at -2 and 2, whatever the std: bounds that are not scaled.
            "scale": "1/sqrt(2*(layer+1))",
        },
        {"name_regex": r"layers\..*\.weight", "init": f"truncated_normal(std=0.02, {cut})"},
        {
            "name_regex": r"(output|lm_head)\.weight",
            "init": f"truncated_normal(std={std}, low={-3 * std}, high={3 * std}, bounds=ABSOLUTE)",
        },
    ]


def write_recipe(make_model, dim: int, path: str, seed: int) -> None:
    """Writes the recipe of a model that `make_model()` builds: to be run once, on any machine, without memory for weights."""
    with torch.device("meta"):
        recipe = weightinit.torch.manifest(make_model(), llama_rules(dim))
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"seed": seed, **recipe}, file, indent=1)
