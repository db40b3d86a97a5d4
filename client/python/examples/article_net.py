"""The small convolutional network of PyTorch's CIFAR-10 tutorial, with the layers' initializers of recipes/article_net.yaml.

    python article_net.py [--source local | host:port | net.safetensors] [--seed 42]
"""

import argparse

import torch
from torch import nn
from torch.nn import functional as F

import weightinit
import weightinit.torch


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", default="local")
    parser.add_argument("--seed", type=int, default=42)
    flags = parser.parse_args()

    recipe = weightinit.Recipe.load("article_net", seed=flags.seed)
    print(recipe.plan())
    net = Net()
    weightinit.torch.init_(net, recipe, flags.source)
    print(f"model digest {weightinit.torch.attest(net, recipe):016x}")  # weightinit digest article_net --seed 42
    print("logits", net(torch.ones(1, 3, 32, 32)).detach().numpy().round(4))


if __name__ == "__main__":
    main()
