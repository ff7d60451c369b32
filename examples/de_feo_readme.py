"""The example lines of De Feo's README for the power-cap profiler; only the import is another.

    sudo python examples/de_feo_readme.py

It writes test_power_cap_profiler.csv to the current folder. CIFAR-10 and ResNet-18 are a stand-in of
their shapes here, so that nothing is downloaded.
"""

import torch
import torch.nn as nn
import torch.optim as optim

from joulemeter.limits import power_cap_profiler
from joulemeter.limits import set_power_cap
from joulemeter.limits import reset_power_cap

device = "cuda" if torch.cuda.is_available() else "cpu"
images = torch.utils.data.TensorDataset(torch.randn(512, 3, 32, 32), torch.arange(512) % 10)
trainloader = torch.utils.data.DataLoader(images, batch_size=32, shuffle=True)


def ResNet18():
    return nn.Sequential(nn.Conv2d(3, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2),
                         nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)).to(device)


def train():
    model.train()
    for inputs, labels in trainloader:
        optimizer.zero_grad()
        criterion(model(inputs.to(device)), labels.to(device)).backward()
        optimizer.step()


#Profiling
model = ResNet18()
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(),lr=0.001)
optimal_cap = power_cap_profiler(gpu_num=0,model=model,dataloader=trainloader,train=True,loss_fn=criterion,optimizer=optimizer,out_file='test_power_cap_profiler.csv')

#Real training run
model = ResNet18()
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(),lr=0.001)
set_power_cap(gpu_num=0,cap=optimal_cap)
train()
reset_power_cap(gpu_num=0)

print(power_cap_profiler.last)
