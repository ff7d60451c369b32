#!/usr/bin/env python3
"""Programs to be measured: a training loop, a loop of matrix products, and pairs of blocks with and
without a sampler. Prints one JSON object."""
import argparse
import json
import os
import random
import subprocess
import tempfile
import time

import bindings
from load import open_load


class TorchTraining:
    """A small transformer on random tokens: forward, backward, AdamW."""

    def __init__(self, width=1024, layers=6, batch=16, length=256):
        import torch
        self.torch = torch
        torch.manual_seed(1)
        layer = torch.nn.TransformerEncoderLayer(width, 16, 4 * width, dropout=0.0,
                                                 batch_first=True, norm_first=True)
        self.model = torch.nn.TransformerEncoder(layer, layers, enable_nested_tensor=False).cuda()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)
        self.input = torch.randn(batch, length, width, device="cuda")
        self.target = torch.randn(batch, length, width, device="cuda")

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        with self.torch.autocast("cuda", dtype=self.torch.bfloat16):
            loss = self.torch.nn.functional.mse_loss(self.model(self.input).float(), self.target)
        loss.backward()
        self.optimizer.step()
        return loss.item()  # waits for the device


class ChannelTraining:
    """The same shape on a simulated board: a burst, a pause, and a little work on the CPU."""

    def __init__(self):
        self.load = open_load("channel")

    def step(self):
        self.load.burst(0.018)
        return sum(i * i for i in range(5000))


def open_training(backend):
    return ChannelTraining() if backend == "channel" else TorchTraining()


def repeat(step, seconds, marks):
    """Steps in epochs for about `seconds`; how many there were."""
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        epoch = marks.begin(bindings.EPOCH, "epoch")
        for _ in range(20):
            batch = marks.begin(bindings.BATCH, "batch")
            step()
            marks.end(batch)
            count += 1
        marks.end(epoch)
    return count


def measured(step, seconds):
    """A loop with the board's counter read beside it: the range "steady" goes from one of the
    counter's changes to another."""
    marks, watch = bindings.Marks(), bindings.CounterWatch()
    watch.start()
    warmup = marks.begin(bindings.PHASE, "warm-up")
    repeat(step, 2, marks)
    marks.end(warmup)
    begin = time.monotonic_ns()
    count = repeat(step, seconds, marks)
    end = time.monotonic_ns()
    time.sleep(1.2)
    watch.stop()
    found = {"iterations": count, "seconds": (end - begin) * 1e-9}
    ends = watch.between(begin, end)
    if ends:
        (_, begin_ns, first_j), (_, end_ns, last_j) = ends
        marks.add(bindings.PHASE, "steady", begin_ns, end_ns)
        found |= {"begin_ns": begin_ns, "end_ns": end_ns, "counter_j": last_j - first_j}
    marks.close()
    return found


def train(options):
    training = open_training(options.backend)
    for _ in range(3):
        training.step()
    return measured(training.step, options.seconds)


def matmul(options):
    load = open_load(options.backend)
    load.multiply(10)
    return measured(lambda: load.multiply(50), options.seconds)


SAMPLERS = {"none": None, "default": [], "dense": ["-i", "1ms"]}


def block(step, seconds, joulemeter, extra):
    """Iterations a second while a sampler runs beside it, or nothing does."""
    sleep = ["sleep", str(seconds + 0.6)]
    with tempfile.TemporaryDirectory() as folder:
        command = sleep
        if extra is not None:
            recording = os.path.join(folder, "block.jm")
            command = [joulemeter, "run", "--quiet", *extra, "-o", recording, "--", *sleep]
        beside = subprocess.Popen(command)
        time.sleep(0.3)
        begin, count = time.monotonic(), 0
        while time.monotonic() - begin < seconds:
            step()
            count += 1
        rate = count / (time.monotonic() - begin)
        if beside.wait() != 0:
            raise SystemExit(f"{command[0]} ended with {beside.returncode}")
    return rate


def pairs(options):
    training, chance = open_training(options.backend), random.Random(1)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        training.step()
    rounds = []
    for _ in range(options.rounds):
        order = list(SAMPLERS)
        chance.shuffle(order)
        rates = {name: block(training.step, options.seconds, options.joulemeter, SAMPLERS[name])
                 for name in order}
        rounds.append(rates)
    return {"rounds": rounds}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("loop", choices=("train", "matmul", "pairs"))
    parser.add_argument("--backend", choices=("torch", "channel"), default="torch")
    parser.add_argument("--seconds", type=float, default=10, help="of the loop, or of each block")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--joulemeter", default="joulemeter")
    parser.add_argument("--out", required=True, help="JSON file")
    options = parser.parse_args()
    found = {"train": train, "matmul": matmul, "pairs": pairs}[options.loop](options)
    with open(options.out, "w", encoding="ascii") as out:
        json.dump({"loop": options.loop, "backend": options.backend} | found, out, indent=1)


if __name__ == "__main__":
    main()
