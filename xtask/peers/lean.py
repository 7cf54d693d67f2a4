"""A batched rewrite in PyTorch, as good as it gets without leaving PyTorch's own operators.

Inference recovers only what is missing, from the observed subset alone; encodes every modality once; scores all candidates of
a round in one masked forward pass; keeps the accepted answer as the next round's "before". Training encodes a batch once for
all its subsets and leaves absent tokens out.
"""

import math

import torch
import torch.nn.functional as F

import weights

HEADS = 4


def encode(w, m, x):
    """[B, 3, 28, 28] -> [B, 4, 128]: tokens with norm and positions."""
    for i in (0, 2, 4):
        x = F.relu(F.conv2d(x, w[f"m_encoders.{m}.network.{i}.weight"], w[f"m_encoders.{m}.network.{i}.bias"], 2, 1))
    x = F.conv2d(x, w[f"m_encoders.{m}.proj_conv.0.weight"], w[f"m_encoders.{m}.proj_conv.0.bias"])
    x = F.max_pool2d(x, 2).flatten(2).transpose(1, 2)
    x = F.layer_norm(x, x.shape[-1:], w[f"m_norms.{m}.weight"], w[f"m_norms.{m}.bias"])
    return x + w["pos_embeddings"][:, 1 + 4 * m : 5 + 4 * m]


def fuse(w, x, hidden=None):
    """[B, N, 128], class token first; hidden [B, N] -> logits, feature."""
    mask = None if hidden is None else torch.where(hidden, -1e9, 0.0)[:, None, None, :]
    for b in range(2):
        batch, tokens, width = x.shape
        t = f"transformer.{b}"
        normal = F.layer_norm(x, (width,), w[f"{t}.norm1.weight"], w[f"{t}.norm1.bias"])
        qkv = F.linear(normal, w[f"{t}.attn.qkv.weight"])
        q, k, v = qkv.view(batch, tokens, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        if b == 1:  # the class token alone is read
            q, x = q[:, :, :1], x[:, :1]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(batch, -1, width)
        x = x + F.linear(mixed, w[f"{t}.attn.proj.weight"], w[f"{t}.attn.proj.bias"])
        normal = F.layer_norm(x, (width,), w[f"{t}.norm2.weight"], w[f"{t}.norm2.bias"])
        active = F.gelu(F.linear(normal, w[f"{t}.mlp.fc1.weight"], w[f"{t}.mlp.fc1.bias"]))
        x = x + F.linear(active, w[f"{t}.mlp.fc2.weight"], w[f"{t}.mlp.fc2.bias"])
    x = x[:, 0]
    logits = F.linear(x, w["classifier.weight"], w["classifier.bias"])
    return logits, F.normalize(F.linear(x, w["projection.weight"], w["projection.bias"]), dim=-1)


def class_token(w, batch):
    return (w["cls_token"] + w["pos_embeddings"][:, :1]).expand(batch, -1, -1)


class Statistics:
    def __init__(self, case):
        self.overall, self.prototypes, self.spread = (case[k] for k in ("overall_prototypes", "prototypes", "dist_std"))
        weight = 2 ** torch.arange(case["missing"].shape[1])
        self.weight = weight
        self.row = torch.zeros(2 ** len(weight), dtype=torch.long)
        self.row[(case["subset_missing"] * weight).sum(1)] = torch.arange(len(case["subset_missing"]))

    def evidence(self, missing, logits, feature):
        quality = torch.softmax(feature @ self.overall.T / 0.1, 1).amax(1)
        row, label = self.row[(missing * self.weight).sum(1)], logits.argmax(1)
        distance = (1 - (self.prototypes[row, label] * feature).sum(1)).clamp_min(0)
        typicality = 2 * (1 - 0.5 * (1 + torch.erf(distance / (self.spread[row, label] * math.sqrt(2)))))
        return quality, typicality


def select(w, statistics, tokens, missing):
    """tokens [B, 5, 4, 128], all recovered; missing [B, 5] -> final logits."""
    batch, modalities = missing.shape
    flat = torch.cat([class_token(w, batch), tokens.flatten(1, 2)], 1)

    def answer(samples, missing):
        hidden = F.pad(missing.repeat_interleave(4, 1), (1, 0))
        logits, feature = fuse(w, flat[samples], hidden)
        return logits, *statistics.evidence(missing, logits, feature)

    missing = missing.clone()
    logits, quality, typicality = answer(torch.arange(batch), missing)
    open_ = missing.clone()
    active = open_.any(1)
    while active.any():
        samples, candidate = torch.nonzero(open_ & active[:, None], as_tuple=True)
        asked = missing[samples].clone()
        asked[torch.arange(len(samples)), candidate] = False
        after, q, p = answer(samples, asked)
        before_q, before_p = quality[samples], typicality[samples]
        factor = torch.where(p < before_p, torch.log(before_p) / torch.log(p + 1e-9), torch.ones_like(p))
        reward = torch.zeros(batch, modalities)
        reward[samples, candidate] = q * factor - before_q
        open_ &= ~(reward < 0)
        best, choice = reward.max(1)
        active &= best > 0
        place = torch.full((batch, modalities), -1)
        place[samples, candidate] = torch.arange(len(samples))
        joined = torch.nonzero(active)[:, 0]
        chosen = place[joined, choice[joined]]
        missing[joined, choice[joined]] = False
        open_[joined, choice[joined]] = False
        logits[joined], quality[joined], typicality[joined] = after[chosen], q[chosen], p[chosen]
        active &= open_.any(1)
    return logits


def mopoe_encode(w, m, x):
    for i in (0, 2, 4):
        name = f"encoders.m{m}.shared_encoder.{i}"
        x = F.relu(F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], 2, 1))
    name = f"encoders.m{m}"
    x = F.relu(F.linear(x.flatten(1), w[f"{name}.shared_encoder.7.weight"], w[f"{name}.shared_encoder.7.bias"]))
    mean = F.linear(x, w[f"{name}.class_mu.weight"], w[f"{name}.class_mu.bias"])
    return mean, F.linear(x, w[f"{name}.class_logvar.weight"], w[f"{name}.class_logvar.bias"])


def mopoe_decode(w, m, z):
    name = f"decoders.m{m}.decoder"
    x = F.relu(F.linear(z, w[f"{name}.0.weight"], w[f"{name}.0.bias"])).view(-1, 128, 4, 4)
    x = F.relu(F.conv_transpose2d(x, w[f"{name}.3.weight"], w[f"{name}.3.bias"], 2, 1, 0))
    x = F.relu(F.conv_transpose2d(x, w[f"{name}.5.weight"], w[f"{name}.5.bias"], 2, 1, 1))
    return F.conv_transpose2d(x, w[f"{name}.7.weight"], w[f"{name}.7.bias"], 2, 1, 1)


def recover(w, inputs, missing):
    """Every missing modality of every sample from its own observed ones; observed ones as they are."""
    batch, modalities = missing.shape
    precision, weighted = torch.zeros(batch, 512), torch.zeros(batch, 512)
    for m in range(modalities):
        have = torch.nonzero(~missing[:, m])[:, 0]
        mean, log = mopoe_encode(w, m, inputs[m][have])
        p = 1 / (log.exp() + 1e-8)
        precision[have] += p
        weighted[have] += mean * p
    precision[~missing.any(1)] += 1 / (1 + 1e-8)
    z = weighted / precision + torch.randn(batch, 512) / precision.sqrt()
    out = []
    for m in range(modalities):
        want = torch.nonzero(missing[:, m])[:, 0]
        x = inputs[m].clone()
        x[want] = mopoe_decode(w, m, z[want])
        out.append(x)
    return out


def tasks(folder, samples=None):
    case = weights.case(folder)
    if samples:
        case["inputs"] = [x[:samples] for x in case["inputs"]]
        case["missing"], case["labels"] = case["missing"][:samples], case["labels"][:samples]
    case["inputs"] = [channels_last(x) for x in case["inputs"]]
    fusion, mopoe = (
        {name: channels_last(value) for name, value in read(folder).items()} for read in (weights.fusion, weights.mopoe)
    )
    statistics, inputs, missing, labels = Statistics(case), case["inputs"], case["missing"], case["labels"]

    @torch.inference_mode()
    def selection(inputs=inputs):
        tokens = torch.stack([encode(fusion, m, x) for m, x in enumerate(inputs)], 1)
        logits = select(fusion, statistics, tokens, missing)
        return {"accuracy": (logits.argmax(1) == labels).float().mean().item()}

    @torch.inference_mode()
    def whole():
        return selection(recover(mopoe, inputs, missing))

    return {
        "whole": whole,
        "selection": selection,
        "fusion-step": once_asked(lambda: fusion_step(fusion, inputs, labels)),
        "mopoe-step": once_asked(lambda: mopoe_step(mopoe, inputs)),
    }


def channels_last(tensor):
    """Pictures and windows in the order in which PyTorch's convolutions are quickest here (measured: 3 to 8 % of a task)."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def once_asked(make):
    """A task whose networks and optimiser are made when it is first asked for: a start is not to wait for them."""
    made = []

    def task():
        if not made:
            made.append(make())
        return made[0]()

    return task


def trainable(w):
    torch.manual_seed(1)
    fresh = {k: (torch.randn_like(v) * 0.02).requires_grad_() for k, v in w.items()}
    for name, value in fresh.items():
        if "norm" in name and name.endswith("weight"):
            value.data.fill_(1.0)
    return fresh


def fusion_step(start, inputs, labels):
    w = trainable(start)
    optimiser = torch.optim.Adam(list(w.values()), lr=1e-3)
    prototypes = F.normalize(torch.randn(10, 64), dim=1)
    subsets = [[m for m in range(5) if s >> m & 1] for s in range(1, 32)]

    def step():
        drawn = [subsets[i] for i in torch.randperm(31)[:5].tolist()]
        tokens = {m: encode(w, m, inputs[m]) for m in sorted(set().union(*drawn))}
        loss = 0
        for subset in drawn:
            logits, feature = fuse(w, torch.cat([class_token(w, len(labels))] + [tokens[m] for m in subset], 1))
            loss = loss + F.cross_entropy(logits, labels) + F.cross_entropy(feature @ prototypes.T / 0.1, labels)
        optimiser.zero_grad()
        (loss / 5).backward()
        optimiser.step()

    return step


def mopoe_step(start, inputs):
    w = trainable(start)
    optimiser = torch.optim.Adam(list(w.values()), lr=5e-4)
    batch = len(inputs[0])
    subsets = sorted(([m for m in range(5) if s >> m & 1] for s in range(1, 32)), key=lambda s: (len(s), s))

    def step():
        experts = [mopoe_encode(w, m, x) for m, x in enumerate(inputs)]
        precisions = [1 / (log.exp() + 1e-8) for _, log in experts]
        products = [mean * p for (mean, _), p in zip(experts, precisions)]
        divergence, latents, share = 0, [], batch // len(subsets)
        for place, subset in enumerate(subsets):
            precision = sum(precisions[m] for m in subset)
            if len(subset) == 5:
                precision = precision + 1
            mean, log = sum(products[m] for m in subset) / precision, -precision.log()
            divergence = divergence - 0.5 * (1 + log - mean.square() - log.exp()).sum() / (batch * len(subsets))
            rows = slice(place * share, batch if place + 1 == len(subsets) else (place + 1) * share)
            latents.append(mean[rows] + torch.randn_like(mean[rows]) * (0.5 * log[rows]).exp())
        z = torch.cat(latents)
        loss = 2.5 * divergence
        for m, x in enumerate(inputs):
            loss = loss + (mopoe_decode(w, m, z) - x).abs().sum() / (0.75 * batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step
