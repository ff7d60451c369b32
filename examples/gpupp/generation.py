"""Text generation: energy of each layer, of prefill and decode, and of each token.

    python examples/gpupp/generation.py --simulate h100
"""

from common import language_model, options

from joulemeter import LayerPowerProfiler

given = options("profiles text generation")
model, tokenizer = language_model()
inputs = tokenizer("Write a poem about", return_tensors="pt").to(model.device)

profiler = LayerPowerProfiler(model, **given)
profiler.profile_generation(inputs, max_new_tokens=50, do_sample=True, temperature=0.7)
profiler.print_summary()
profiler.save_results("generation_profile.csv")

for token in profiler.tokens[:3]:
    print(f"token {token['token']} ({token['phase']}): {1e3 * token['time_s']:.2f} ms, "
          f"{token['energy_j']:.3g} ± {token['energy_u95_j']:.2g} J")
