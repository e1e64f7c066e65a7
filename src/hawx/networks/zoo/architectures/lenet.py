"""LeNet-5 with the layer sizes of LeCun et al. 1998 (Proc. IEEE 86(11)), ReLU and max pooling, all feature maps connected."""

from __future__ import annotations

from torch import Tensor, nn


class LeNet5(nn.Module):
    """Two convolutions (6 and 16 filters of 5×5) and three linear layers (120, 84, classes) on 1×28×28 images."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)
        self.pool = nn.MaxPool2d(2)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x))).flatten(1)
        x = self.relu(self.fc2(self.relu(self.fc1(x))))
        logits: Tensor = self.fc3(x)
        return logits
