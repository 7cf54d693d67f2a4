"""Writes tiny.pth and expected.json: ResNet-50's topology in a few filters, by torchvision's own blocks and forward pass.

    pip install torch==2.9.0 torchvision==0.24.0 && python make.py
"""

import json

import torch
from torch import nn
from torchvision.models import resnet50
from torchvision.models.resnet import Bottleneck, ResNet

WIDTHS, BLOCKS, SIDE, BATCH = [2, 3, 4, 5], [3, 4, 6, 3], 40, 2


class Tiny(ResNet):
    """ResNet with a width of its own for each stage."""

    def __init__(self):
        nn.Module.__init__(self)
        self._norm_layer, self.inplanes, self.dilation, self.groups, self.base_width = nn.BatchNorm2d, WIDTHS[0], 1, 1, 64
        self.conv1 = nn.Conv2d(3, self.inplanes, 7, stride=2, padding=3, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(self.inplanes), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        for stage, (width, blocks) in enumerate(zip(WIDTHS, BLOCKS)):
            setattr(self, f"layer{stage + 1}", self._make_layer(Bottleneck, width, blocks, stride=1 if stage == 0 else 2))
        self.fc = nn.Linear(WIDTHS[-1] * Bottleneck.expansion, 3)

    def map(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


torch.manual_seed(7)
model = Tiny()
assert list(model.state_dict()) == list(resnet50().state_dict()), "the names are those of the published network"
for name, tensor in model.state_dict().items():
    if "running_mean" in name:
        tensor.normal_(0, 0.2)
    elif "running_var" in name:
        tensor.uniform_(0.5, 2.0)
    elif ".weight" in name and tensor.dim() == 1 or name == "bn1.weight":
        tensor.uniform_(0.5, 1.5)
    elif ".bias" in name and tensor.dim() == 1:
        tensor.normal_(0, 0.2)
torch.save(model.state_dict(), "tiny.pth")

# [B, height, width, channels] in row order, as the test makes it.
x = (torch.arange(BATCH * SIDE * SIDE * 3) * 7919 % 256 / 255).reshape(BATCH, SIDE, SIDE, 3).permute(0, 3, 1, 2)
with torch.no_grad():
    inference = model.eval().map(x)
    training = model.train().map(x)
state = model.state_dict()
rows = lambda t: t.permute(0, 2, 3, 1).flatten().tolist()
json.dump(
    {
        "inference": rows(inference),
        "training": rows(training),
        "running_mean": state["layer4.2.bn3.running_mean"].tolist(),
        "running_var": state["layer4.2.bn3.running_var"].tolist(),
    },
    open("expected.json", "w"),
)
print(inference.shape, float(inference.abs().max()), float(training.abs().max()))
