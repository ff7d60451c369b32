"""Trains a small network with Keras on digits made here, and says where the joules went.

    python examples/keras_mnist_like.py                      # on whatever is measured here
    python examples/keras_mnist_like.py --simulate h100      # with a simulated GPU's meter
    python examples/keras_mnist_like.py --out results

The pictures are as large as MNIST's. Each class lights segments of a seven-segment display, under
noise, so that there is something to learn.
"""

import argparse

import keras
import numpy as np

from joulemeter.highlevel import profile_tf

# Which segments each digit lights: top, upper left and right, middle, lower left and right, bottom.
SEGMENTS = ("1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111", "1010010",
            "1111111", "1111011")
PLACES = ((4, 5, 8, 20), (5, 13, 7, 9), (5, 13, 19, 21), (13, 14, 8, 20), (14, 22, 7, 9),
          (14, 22, 19, 21), (22, 23, 8, 20))


def digits(samples, seed):
    """(x, y): 28 x 28 pictures of the ten digits."""
    rng = np.random.default_rng(seed)
    shapes = np.zeros((10, 28, 28), "float32")
    for digit, lit in enumerate(SEGMENTS):
        for on, (top, bottom, left, right) in zip(lit, PLACES):
            shapes[digit, top:bottom + 1, left:right + 1] = max(float(on), 0.0)
    y = rng.integers(0, 10, samples)
    x = shapes[y] + rng.normal(0, 0.5, (samples, 28, 28)).astype("float32")
    return x, y


def network():
    model = keras.Sequential([
        keras.Input((28, 28)), keras.layers.Flatten(),
        keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=8000, help="pictures to train on")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--simulate", metavar="GPUS", help="such as h100 or 2*a100")
    parser.add_argument("--out", metavar="DIR", help="export summary.json and CSV files to it")
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    x, y = digits(options.samples, seed=1)
    model = network()
    with profile_tf(simulate=options.simulate, verbose=1) as prof:
        history = prof.fit(model, (x, y), epochs=options.epochs, batch_size=options.batch_size,
                           validation_data=digits(options.samples // 8, seed=2), verbose=0)
        prof.infer_keras(model, x, batch_size=512)

    report = prof.report()
    print(report)
    print("loss of each epoch:", ", ".join(f"{loss:.3f}" for loss in history.history["loss"]))
    train = report.summary["train"]
    if train["energy_j"] is not None:
        print(f"training took {train['energy_j']:.1f} ± {train['energy_u95_j']:.1f} J, "
              f"{1e3 * train['j_per_sample']:.2f} mJ a picture")
    if options.out:
        report.export(options.out)


if __name__ == "__main__":
    main()
