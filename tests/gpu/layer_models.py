"""Models whose layers are measured: one for a GPU, and one that drives a simulated board."""
from contextlib import nullcontext

import torch
from load import ChannelLoad, sleep_until
from torch import nn


class Attention(nn.Module):
    """Of queries, keys and values side by side; it has no weights and calls no other layer."""

    def __init__(self, heads):
        super().__init__()
        self.heads = heads

    def forward(self, x):
        batch, length, width = x.shape
        x = x.view(batch, length, 3, self.heads, width // (3 * self.heads))
        q, k, v = x.permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        return mixed.transpose(1, 2).reshape(batch, length, width // 3)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(dim=1)


class Mixed(nn.Module):
    """Convolutions and a transformer's block on images, in float16 where a GPU is: layers of about
    10 us to 2 ms on a fast GPU, bound by arithmetic, by memory or by their launch."""

    def __init__(self, width=1024):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 16, stride=16)
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention = Attention(width // 64)
        self.project = nn.Linear(width, width)
        self.up = nn.Linear(width, 4 * width)
        self.gelu = nn.GELU()
        self.down = nn.Linear(4 * width, width)
        self.pool = Mean()
        self.head = nn.Linear(width, width)

    def forward(self, image):
        with autocast(image.device.type):
            x = self.conv(self.stem(image)).flatten(2).transpose(1, 2)
            x = x + self.project(self.attention(self.qkv(self.norm(x))))
            x = x + self.down(self.gelu(self.up(x)))
            return self.head(self.pool(x))


def autocast(device):
    """As in the model; weights are cast at each call, as they are once in each forward pass."""
    if device != "cuda":
        return nullcontext()
    return torch.autocast("cuda", dtype=torch.float16, cache_enabled=False)


class Load(nn.Module):
    """Draws so much from the simulated board for so long."""

    def __init__(self, load, watts, seconds):
        super().__init__()
        self.load, self.watts, self.seconds = load, watts, seconds

    def forward(self, x):
        began_ns = self.load.set_power(self.watts)
        sleep_until(began_ns + int(self.seconds * 1e9))
        return x


LOADS = {"small": (120, 0.001), "large": (380, 0.006), "middle": (250, 0.003), "hot": (620, 0.002),
         "long": (180, 0.004)}


def channel_model():
    load = ChannelLoad()
    torch.set_num_threads(1)
    loads = {name: Load(load, *drawn) for name, drawn in LOADS.items()}
    model = nn.Sequential()
    for name, layer in loads.items():
        model.add_module(name, layer)
    return model, torch.zeros(1)


def open_model(backend):
    """A model and what it is given; on a board that is simulated, or the GPU."""
    if backend == "channel":
        return channel_model()
    torch.manual_seed(1)
    return Mixed().cuda().eval(), torch.randn(32, 3, 512, 512, device="cuda")
