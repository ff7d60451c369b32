"""A forward pass of a simple model, layer by layer.

    python examples/gpupp/simple_model.py --simulate h100
"""

import torch
from common import device, options

from joulemeter import LayerPowerProfiler

given = options("profiles a simple model")
model = torch.nn.Sequential(
    torch.nn.Linear(512, 1024),
    torch.nn.ReLU(),
    torch.nn.Linear(1024, 10),
).to(device())

inputs = torch.randn(32, 512).to(device())

profiler = LayerPowerProfiler(model, **given)
profiler.profile(inputs, num_runs=3)
profiler.print_summary()
