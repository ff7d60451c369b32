"""The example of PyPowerGadget's README; only the import is another.

    python examples/powermeter_readme.py

Instead of MNIST it uses data made here: nothing is downloaded.
"""

import joulemeter
from joulemeter import PowerMeter


def make_digits(count=600):
    """Pictures of 28 x 28 points: ten patterns with noise."""
    import numpy

    random = numpy.random.default_rng(0)
    patterns = random.uniform(0, 1, (10, 784))
    labels = numpy.arange(count) % 10
    return patterns[labels] + random.normal(0, 0.5, (count, 784)), labels


def main():
    from sklearn.ensemble import RandomForestClassifier

    x, y = make_digits()
    classifier = RandomForestClassifier(n_estimators=300, max_depth=15)

    power_meter = PowerMeter(project_name="MNIST classifier")
    model = power_meter.mesure_power(
        classifier.fit,
        package="sklearn",
        algorithm="RandomForestClassifier",
        data_type="tabular",
        data_shape=x.shape,
        algorithm_params="n_estimators=300, max_depth=15",
        comments="Classifier trained on the MNIST dataset, 3rd test"
    )(x, y)
    print(f"accuracy {model.score(x, y):.2f}; {power_meter.last}")

    logged_data = joulemeter.get_logged_data()
    print(logged_data.iloc[-1].to_string())


if __name__ == "__main__":
    main()
