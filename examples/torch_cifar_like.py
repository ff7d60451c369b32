"""Trains a small convolutional network on pictures made here, and says where the joules went.

    python examples/torch_cifar_like.py                       # on whatever is measured here
    python examples/torch_cifar_like.py --simulate h100       # with a simulated GPU's meter
    python examples/torch_cifar_like.py --out results --figures

The pictures are as large as CIFAR-10's. Each class has waves of its own direction and width, under
noise, so that there is something to learn.
"""

import argparse
import math

import torch
from torch import nn

from joulemeter.highlevel import profile_torch


def pictures(samples, seed):
    """(x, y): 3 x 32 x 32 pictures of ten classes."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 10, (samples,), generator=generator)
    angle = y * math.pi / 10
    row, column = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    across = torch.cos(angle)[:, None, None] * row + torch.sin(angle)[:, None, None] * column
    phase = 2 * math.pi * torch.rand(samples, 1, 1, generator=generator)
    waves = torch.sin(across * (0.4 + 0.05 * y)[:, None, None] + phase)
    x = waves[:, None].repeat(1, 3, 1, 1)
    return x + 0.5 * torch.randn(x.shape, generator=generator), y


def network():
    def block(inputs, outputs):
        return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(),
                nn.MaxPool2d(2)]

    return nn.Sequential(*block(3, 16), *block(16, 32), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                         nn.Linear(128, 10))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=4000, help="pictures to train on")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--simulate", metavar="GPUS", help="such as h100 or 2*a100")
    parser.add_argument("--out", metavar="DIR", help="export summary.json and CSV files to it")
    parser.add_argument("--figures", action="store_true", help="with --out: figures, too")
    options = parser.parse_args()

    torch.manual_seed(0)
    trainset = torch.utils.data.TensorDataset(*pictures(options.samples, seed=1))
    testset = torch.utils.data.TensorDataset(*pictures(options.samples // 4, seed=2))
    trainloader = torch.utils.data.DataLoader(trainset, options.batch_size, shuffle=True)
    testloader = torch.utils.data.DataLoader(testset, options.batch_size)
    model, loss_fn = network(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

    with profile_torch(simulate=options.simulate, verbose=1) as prof:
        losses = prof.train(model, trainloader, optimizer, loss_fn, epochs=options.epochs)
        prof.infer(model, testloader)
        prof.infer_tensor(model, batch_size=256, n_samples=options.samples)

    report = prof.report()
    print(report)
    print("loss of each epoch:", ", ".join(f"{loss:.3f}" for loss in losses))
    train = report.summary["train"]
    if train["energy_j"] is not None:
        print(f"training took {train['energy_j']:.1f} ± {train['energy_u95_j']:.1f} J, "
              f"{1e3 * train['j_per_sample']:.1f} mJ a picture")
    if options.out:
        report.export(options.out, figures=options.figures)


if __name__ == "__main__":
    main()
