"""The example lines of PowerDL's README; of each import, only the module's name is another.

    python examples/powerdl_readme.py torch
    python examples/powerdl_readme.py tensorflow

They write to `results` and `runs` in the current folder.
"""

import sys


def torch_quick_start():
    import torch
    from torch import nn

    torch.manual_seed(0)
    y = torch.arange(512) % 10
    x = torch.randn(512, 3, 16, 16) + y.view(-1, 1, 1, 1) / 3
    trainloader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=64)
    # Enough work for the sensor to refresh a few times, else there is no derivative to draw.
    model = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(),
                          nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    loss_fn = nn.CrossEntropyLoss()

    # ---- Quick Start - PyTorch ----
    from joulemeter.highlevel import profile_torch

    with profile_torch(
        out_dir=None,
        interval_s=0.02,
        verbose=1
    ) as prof:

        prof.train(model, trainloader, optimizer, loss_fn, epochs=3)
        prof.infer_tensor(model, batch_size=256, n_samples=20000)

    rep = prof.report()
    rep.export("results/torch_run")
    return prof


def tensorflow_quick_start():
    import keras
    import numpy as np
    import tensorflow as tf

    y = np.arange(512) % 10
    x_inf = (np.random.default_rng(0).normal(size=(512, 16)) + y[:, None]).astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices((x_inf, y)).batch(64)
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")

    # ---- Quick Start - TensorFlow ----
    from joulemeter.highlevel import profile_tf

    with profile_tf(
        out_dir=None,
        interval_s=0.02,
        verbose=1
    ) as prof:

        prof.fit(model, dataset, epochs=3)
        prof.infer_keras(model, x_inf, batch_size=512)

    rep = prof.report()
    rep.export("results/tf_run")
    return prof


def reports(prof):
    rep = prof.report()

    # ---- In-Memory First Design ----
    rep.export("runs/experiment_export")

    # ---- Report Object ----
    rep.samples_df
    rep.marks_df
    rep.summary

    # ---- Visualization System ----
    rep.list_figures()

    # ---- Plot All Figures ----
    rep.plot(
        all=True,
        out_dir="results/figs",
        show=False,
        smooth=5,
        shade_phases=True
    )

    # ---- Plot Selected Figures ----
    rep.plot(
        figs=[
            "power_time",
            "cumulative_energy",
            "power_util_hexbin",
            "phase_energy_bar"
        ],
        out_dir="results/figs",
        show=True
    )

    # ---- Plot a Single Figure ----
    rep.plot_one("power_ecdf", show=True)

    # ---- Exported Artifacts ----
    rep.export("runs/experiment_01")


if __name__ == "__main__":
    if sys.argv[1:] == ["tensorflow"]:
        reports(tensorflow_quick_start())
    else:
        reports(torch_quick_start())
