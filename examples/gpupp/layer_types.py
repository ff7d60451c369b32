"""Time and energy by kind of layer.

    python examples/gpupp/layer_types.py --simulate h100
"""

from common import language_model, options

from joulemeter import LayerPowerProfiler

given = options("adds up kinds of layers")
model, tokenizer = language_model()
inputs = tokenizer("Hello world", return_tensors="pt").to(model.device)

profiler = LayerPowerProfiler(model, **given)
profiler.profile(inputs, num_runs=3)
df = profiler.get_results_dataframe()


# Categorize layers
def get_layer_type(name):
    if "attn" in name.lower():
        return "Attention"
    elif "mlp" in name.lower():
        return "MLP"
    elif "norm" in name.lower():
        return "Normalization"
    return "Other"


df["layer_type"] = df["layer_name"].apply(get_layer_type)

# Analyze by type
type_summary = df.groupby("layer_type").agg({
    "duration_ms": "sum",
    "avg_power_w": "mean",
    "energy_j": "sum",
})

print(type_summary)
