"""Power over time while a text is generated.

    python examples/gpupp/timeline.py --simulate h100
"""

import matplotlib.pyplot as plt
from common import language_model, options

from joulemeter import LayerPowerProfiler

given = options("draws power over time")
model, tokenizer = language_model()
inputs = tokenizer("Write a poem about", return_tensors="pt").to(model.device)

profiler = LayerPowerProfiler(model, **given)
profiler.profile_generation(inputs, max_new_tokens=50)

df = profiler.get_results_dataframe()
df = df.sort_values("start_time")

# Normalize time
df["time_from_start_ms"] = (df["start_time"] - df["start_time"].min()) * 1000

# Plot or save timeline
plt.figure(figsize=(12, 6))
plt.plot(df["time_from_start_ms"], df["avg_power_w"])
plt.xlabel("Time (ms)")
plt.ylabel("Power (W)")
plt.title("GPU Power Consumption Timeline")
plt.savefig("power_timeline.png")
print("wrote power_timeline.png")
