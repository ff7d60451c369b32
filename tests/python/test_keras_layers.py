"""Energy of the layers of Keras models. TensorFlow is only imported in the process of the test."""
import importlib.util
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None
                                or importlib.util.find_spec("keras") is None,
                                reason="Keras and TensorFlow are not installed")

PROGRAM = """
import warnings
import keras, numpy
import joulemeter as jm

inner = keras.Sequential([keras.Input((16,)), keras.layers.Dense(16, name="b"),
                          keras.layers.BatchNormalization(name="norm")], name="block")
x = keras.Input((8,))
network = keras.Model(x, keras.layers.Dense(4, name="c")(
    inner(keras.layers.Dense(16, name="a")(x))), name="network")
data = numpy.zeros((4, 8), "float32")
expected = numpy.asarray(network(data, training=False))

profiler = jm.LayerPowerProfiler(network, simulate="h100,constant:200,noise=0", cpu=False)
rows = profiler.profile(data, num_runs=2)
names = [row.layer_name for row in rows if row.run_id == 1]
assert names[0] == "network" and {"a", "block", "block/b", "block/norm", "c"} < set(names), names
assert profiler.method_used == "passive" and profiler.choice == "no layer can be run alone"
assert all("call" not in vars(layer) for layer in [network, *network._flatten_layers()])
assert numpy.array_equal(numpy.asarray(network(data, training=False)), expected)
assert "PROFILING SUMMARY" in profiler.summary()
for method in (profiler.profile_training, profiler.profile_generation):
    try:
        method(None)
    except NotImplementedError as error:
        assert "PyTorch" in str(error)
    else:
        raise AssertionError("it should not be possible")

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    jm.LayerPowerProfiler(network, method="replay", simulate="h100", cpu=False).profile(data)
assert any("the method is passive" in str(one.message) for one in told)

import tensorflow
from types import SimpleNamespace as Told
from joulemeter._keras_layers import gpu_of

assert gpu_of(network) is None
tensorflow.config.list_logical_devices = lambda kind: [kind] * 2
places = "/job:localhost/replica:0/task:0/device:CPU:0", "/job:localhost/replica:0/task:0/device:GPU:1"
second = Told(variables=[Told(value=Told(device=place)) for place in places])
assert gpu_of(second).index == 1 and gpu_of(Told(variables=[])).index == 0
print("done")
"""


def test_calls_of_keras_layers():
    env = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3",
               PYTHONPATH=os.pathsep.join(map(os.path.abspath, sys.path)))
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "done", done.stderr[-800:]
