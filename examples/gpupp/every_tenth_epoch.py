"""A training that profiles one batch in every tenth epoch; the training is the same without.

    python examples/gpupp/every_tenth_epoch.py --simulate h100
"""

import torch
from common import device, options

from joulemeter import LayerPowerProfiler

given = options("profiles a batch of every tenth epoch")
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.BatchNorm1d(128), torch.nn.ReLU(),
                            torch.nn.Linear(128, 4)).to(device())
data = torch.utils.data.TensorDataset(torch.randn(512, 64), torch.randint(0, 4, (512,)))
dataloader = torch.utils.data.DataLoader(data, 64, shuffle=True)
optimizer = torch.optim.Adam(model.parameters())
loss_fn = torch.nn.CrossEntropyLoss()
num_epochs = 20

profiler = LayerPowerProfiler(model, **given)

for epoch in range(num_epochs):
    # Profile one batch per epoch
    if epoch % 10 == 0:
        profiler.profile(next(iter(dataloader)))
        profiler.save_results(f"profile_epoch_{epoch}.csv")

    for x, y in dataloader:
        optimizer.zero_grad()
        loss = loss_fn(model(x.to(device())), y.to(device()))
        loss.backward()
        optimizer.step()

print(f"loss {loss.item():.3f}; wrote profile_epoch_0.csv and profile_epoch_10.csv")
