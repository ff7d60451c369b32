"""Energy of the layers of Keras models."""
import os

import pytest

import joulemeter as jm
from joulemeter import LayerPowerProfiler

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")
numpy = pytest.importorskip("numpy")


@pytest.fixture
def network():
    inner = keras.Sequential([keras.Input((16,)), keras.layers.Dense(16, name="b"),
                              keras.layers.BatchNormalization(name="norm")], name="block")
    x = keras.Input((8,))
    return keras.Model(x, keras.layers.Dense(4, name="c")(
        inner(keras.layers.Dense(16, name="a")(x))), name="network")


def test_calls_of_keras_layers(network):
    x = numpy.zeros((4, 8), "float32")
    expected = numpy.asarray(network(x, training=False))
    profiler = LayerPowerProfiler(network, simulate="h100,constant:200,noise=0", cpu=False)
    rows = profiler.profile(x, num_runs=2)
    names = [row.layer_name for row in rows if row.run_id == 1]
    assert names[0] == "network" and {"a", "block", "block/b", "block/norm", "c"} < set(names)
    assert profiler.method_used == "passive" and profiler.choice == "no layer can be run alone"
    assert all("call" not in vars(layer) for layer in [network, *network._flatten_layers()])
    assert numpy.array_equal(numpy.asarray(network(x, training=False)), expected)
    assert "PROFILING SUMMARY" in profiler.summary()
    for method in (profiler.profile_training, profiler.profile_generation):
        with pytest.raises(NotImplementedError, match="PyTorch"):
            method(None)


def test_replay_is_not_for_keras(network):
    profiler = LayerPowerProfiler(network, method="replay", simulate="h100", cpu=False)
    with pytest.warns(jm.JoulemeterWarning, match="the method is passive"):
        profiler.profile(numpy.zeros((4, 8), "float32"))
