"""Our weights and inputs as PyTorch has them: linear weights turned, pictures with channels first."""

import torch
from safetensors.torch import load_file


def case(folder):
    """Inputs, masks, labels and class statistics of the batch that is measured."""
    tensors = load_file(f"{folder}/case.safetensors")
    modalities = tensors["missing"].shape[1]
    return {
        "inputs": [tensors[f"input.m{m}"].permute(0, 3, 1, 2).contiguous() for m in range(modalities)],
        "missing": tensors["missing"].bool(),
        "labels": tensors["labels"].long(),
        "subset_missing": tensors["subset_missing"].bool(),
        "prototypes": tensors["prototypes"],
        "overall_prototypes": tensors["overall_prototypes"],
        "dist_std": tensors["dist_std"],
    }


def linear(tensors, ours, theirs, out):
    out[f"{theirs}.weight"] = tensors[f"{ours}.weight"].T.contiguous()
    if f"{ours}.bias" in tensors:
        out[f"{theirs}.bias"] = tensors[f"{ours}.bias"]


def same(tensors, ours, theirs, out):
    out[f"{theirs}.weight"] = tensors[f"{ours}.weight"]
    out[f"{theirs}.bias"] = tensors[f"{ours}.bias"]


def norm(tensors, ours, theirs, out):
    out[f"{theirs}.weight"] = tensors[f"{ours}.gamma"]
    out[f"{theirs}.bias"] = tensors[f"{ours}.beta"]


def fusion(folder):
    """The fusion network under the published names. The published code gives every modality but the first one row of the
    embedding, so the embedding goes into the positions instead, which is the same sum."""
    t = load_file(f"{folder}/fusion.safetensors")
    t = {name.replace("Convolutional.", ""): value for name, value in t.items()}
    out = {}
    modalities, width = t["modality_embedding.weight"].shape
    for m in range(modalities):
        for i in range(3):
            same(t, f"encoders.{m}.stack.layers.{i}", f"m_encoders.{m}.network.{2 * i}", out)
        same(t, f"encoders.{m}.projection", f"m_encoders.{m}.proj_conv.0", out)
        norm(t, f"norms.{m}", f"m_norms.{m}", out)
    positions = t["positions"].clone()
    tokens = (positions.shape[0] - 1) // modalities
    positions[1:] += t["modality_embedding.weight"].repeat_interleave(tokens, 0)
    out["pos_embeddings"] = positions[None]
    out["cls_token"] = t["class_token"][None]
    out["modality_embeddings.weight"] = torch.zeros(modalities, width)
    for b in range(2):
        ours, theirs = f"blocks.{b}", f"transformer.{b}"
        norm(t, f"{ours}.norm1", f"{theirs}.norm1", out)
        norm(t, f"{ours}.norm2", f"{theirs}.norm2", out)
        linear(t, f"{ours}.qkv", f"{theirs}.attn.qkv", out)
        linear(t, f"{ours}.proj", f"{theirs}.attn.proj", out)
        linear(t, f"{ours}.fc1", f"{theirs}.mlp.fc1", out)
        linear(t, f"{ours}.fc2", f"{theirs}.mlp.fc2", out)
    linear(t, "classifier", "classifier", out)
    linear(t, "projection", "projection", out)
    return out


def mopoe(folder):
    """MoPoE under the published names."""
    t = load_file(f"{folder}/mopoe.safetensors")
    out = {}
    for m in range(5):
        ours, theirs = f"encoders.{m}.Picture", f"encoders.m{m}"
        for i in range(3):
            same(t, f"{ours}.stack.layers.{i}", f"{theirs}.shared_encoder.{2 * i}", out)
        linear(t, f"{ours}.hidden", f"{theirs}.shared_encoder.7", out)
        linear(t, f"{ours}.mean", f"{theirs}.class_mu", out)
        linear(t, f"{ours}.log_variance", f"{theirs}.class_logvar", out)
        ours, theirs = f"decoders.{m}.Picture", f"decoders.m{m}"
        linear(t, f"{ours}.hidden", f"{theirs}.decoder.0", out)
        for i in range(3):
            same(t, f"{ours}.stack.layers.{i}", f"{theirs}.decoder.{3 + 2 * i}", out)
    return out
