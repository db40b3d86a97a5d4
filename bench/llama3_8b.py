"""The tensors of Llama 3 8B, as transformers names them, and torchtitan's way to initialize them."""

import json

LAYERS, DIM, KEY_VALUE, HIDDEN, VOCABULARY = 32, 4096, 1024, 14336, 128256


def recipe():
    """A recipe in JSON: 291 tensors, 8.03 · 10^9 elements."""
    tensors = [("model.embed_tokens.weight", [VOCABULARY, DIM])]
    for layer in range(LAYERS):
        for name, shape in (
            ("self_attn.q_proj", [DIM, DIM]),
            ("self_attn.k_proj", [KEY_VALUE, DIM]),
            ("self_attn.v_proj", [KEY_VALUE, DIM]),
            ("self_attn.o_proj", [DIM, DIM]),
            ("mlp.gate_proj", [HIDDEN, DIM]),
            ("mlp.up_proj", [HIDDEN, DIM]),
            ("mlp.down_proj", [DIM, HIDDEN]),
            ("input_layernorm", [DIM]),
            ("post_attention_layernorm", [DIM]),
        ):
            tensors.append((f"model.layers.{layer}.{name}.weight", shape))
    tensors += [("model.norm.weight", [DIM]), ("lm_head.weight", [VOCABULARY, DIM])]
    rules = [
        {"nameRegex": r".*norm\.weight", "init": "ones"},
        {"nameRegex": r"model\.embed_tokens\.weight", "init": "normal"},
        {"nameRegex": r"lm_head\.weight", "init": f"truncated_normal(std={DIM ** -0.5!r}, low=-3, high=3)"},
        {"nameRegex": ".*", "init": "truncated_normal(std=0.02)"},
    ]
    return json.dumps({
        "defaultDtype": "BFLOAT16",
        "tensors": [{"name": name, "shape": shape} for name, shape in tensors],
        "rules": rules,
    })
