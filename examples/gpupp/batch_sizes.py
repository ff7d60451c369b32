"""Time and energy of batches of several sizes.

    python examples/gpupp/batch_sizes.py --simulate h100
"""

import pandas as pd
from common import language_model, options

from joulemeter import LayerPowerProfiler

given = options("compares batch sizes")
model, tokenizer = language_model()
profiler = LayerPowerProfiler(model, **given)
prompt = "The energy of a layer is"

batch_sizes = [1, 2, 4, 8]
results = {}

for batch_size in batch_sizes:
    inputs = tokenizer([prompt] * batch_size, return_tensors="pt", padding=True).to(model.device)

    profiler.profile(inputs, num_runs=1)

    df = profiler.get_results_dataframe()
    results[batch_size] = {
        "total_time_ms": df["duration_ms"].sum(),
        "total_energy_j": df["energy_j"].sum(),
        "avg_power_w": df["avg_power_w"].mean(),
    }

print(pd.DataFrame(results).T)
