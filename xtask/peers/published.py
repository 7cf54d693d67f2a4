"""The published code, as it stands in a checkout, on our case."""

import os
import sys
import tempfile

import torch

import weights


def settings(folder, imputer):
    from omegaconf import OmegaConf

    return OmegaConf.create(
        {
            "dataset_name": "PolyMNIST",
            "num_modalities": 5,
            "num_classes": 10,
            "batch_size": 256,
            "checkpoint": None,
            "logdir": None,
            "PolyMNIST": {
                "transformer_dim": 128,
                "transformer_heads": 4,
                "transformer_layers": 2,
                "transformer_drop": 0.0,
                "num_patches_list": [4] * 5,
                "num_masks": 0,
                "projection_dim": 64,
                "distance_metric": "cosine_similarity",
                "quality_metric_name": "prototype_distance",
                "imputer_name": "MoPoE",
                "imputer_checkpoint": imputer,
                "transformer_checkpoint": f"{folder}/downstream/checkpoint_best_acc.ckpt",
            },
        }
    )


def released_files(folder, case, case_folder):
    """What the published constructors read, in their layout; the path of the MoPoE file."""
    os.makedirs(f"{folder}/downstream")
    os.makedirs(f"{folder}/gaussian")
    torch.save({"state_dict": weights.fusion(case_folder)}, f"{folder}/downstream/checkpoint_best_acc.ckpt")
    subsets = [tuple(bool(flag) for flag in row) for row in case["subset_missing"]]
    gaussian = {
        "prototypes": case["prototypes"],
        "overall_prototypes": case["overall_prototypes"],
        "dist_std": case["dist_std"],
        "subset2id": {subset: i for i, subset in enumerate(subsets)},
        "id2subset": dict(enumerate(subsets)),
    }
    torch.save(gaussian, f"{folder}/gaussian/subset_gaussian.pt")
    torch.save(weights.mopoe(case_folder), f"{folder}/mm_vae")
    return f"{folder}/mm_vae"


def tasks(case_folder, checkout):
    sys.path.insert(0, checkout)
    case = weights.case(case_folder)
    inputs = {f"m{m}": x for m, x in enumerate(case["inputs"])}
    missing, labels = case["missing"], case["labels"]
    sys.stdout = sys.stderr
    with tempfile.TemporaryDirectory() as folder:
        arguments = settings(folder, released_files(folder, case, case_folder))
        from models.PolyMNIST.Dynamic.DyMo import DyMo

        model = DyMo(arguments).eval()

    def run(imputer):
        model.imputer = imputer
        # `forward` changes the mask that it is given.
        with torch.no_grad():
            logits = model(dict(inputs), missing.clone(), labels)
        return {"accuracy": (logits.argmax(1) == labels).float().mean().item()}

    mopoe = model.imputer
    known = torch.nn.Module()
    known.forward = lambda x, mask: x
    return {
        "whole": lambda: run(mopoe),
        "selection": lambda: run(known),
        "fusion-step": fusion_step(arguments, inputs, labels),
        "mopoe-step": mopoe_step(arguments, inputs),
    }


def fusion_step(arguments, inputs, labels):
    """One step of the published loop: every one of K subsets encodes everything and hides what is absent."""
    from models.PolyMNIST.Dynamic.DynamicTransformer import DynamicTransformer
    from models.utils.prototype_loss import PrototypeLoss

    for name in ["transformer_checkpoint"]:
        del arguments.PolyMNIST[name]
    model = DynamicTransformer(arguments).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    entropy, prototype_loss = torch.nn.CrossEntropyLoss(), PrototypeLoss(0.1, "cosine_similarity")
    prototypes = torch.nn.functional.normalize(torch.randn(10, 64), dim=1)
    onehot = torch.nn.functional.one_hot(labels, 10).float()

    def step():
        losses = []
        for subset in torch.randperm(len(model.subset2id))[:5].tolist():
            mask = torch.tensor(model.id2subset[subset]).repeat(len(labels), 1)
            logits, feature = model.forward_train(inputs, mask)
            losses.append(entropy(logits, labels) + prototype_loss(onehot, prototypes, feature))
        loss = sum(losses) / len(losses)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def mopoe_step(arguments, inputs):
    from models.PolyMNIST.MoPoE import MoPoE

    model = MoPoE(arguments).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-4)
    nothing_missing = torch.zeros(256, 5)

    def step():
        _, loss = model.forward_recon(inputs, nothing_missing)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step
