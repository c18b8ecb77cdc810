"""DPA-1's layers in a custom Keras model, which learns the pressure of an alloy.

    python pressure.py

The layers know nothing of energies. Here each atom's descriptor goes through two dense layers and
the mean over the atoms is the pressure; ``compile`` and ``fit`` are Keras's own.
"""

import keras
import tensorflow as tf

from deepattn.config import Config, read_config
from deepattn.data import DataSet
from deepattn.descriptors import SeAtten
from deepattn.layers import TypeEmbedding
from deepattn.statistics import EnvMatShape, input_statistics
from deepattn.train import make_dataset

EV_PER_A3 = 160.21766  # GPa
EPOCHS, STEPS = 8, 100


class PressureModel(keras.Model):
    """From atoms in periodic cells to one number per frame, ``[nframes]``."""

    def __init__(self, ntypes: int):
        super().__init__(autocast=False)  # coordinates stay in float64
        self.ntypes = ntypes
        self.type_embedding = TypeEmbedding(ntypes, [8], dtype="float32")
        self.descriptor = SeAtten(
            ntypes,
            tebd_dim=8,
            rcut=4.5,
            rcut_smth=0.5,
            sel=32,
            neuron=[8, 16],
            axis_neuron=4,
            attn=16,
            attn_layer=1,
            smooth=True,
            dtype="float32",
        )
        self.head = keras.Sequential(
            [
                keras.layers.LayerNormalization(),
                keras.layers.Dense(32, activation="tanh"),
                keras.layers.Dense(1),
            ]
        )

    def build(self, *_):
        self.type_embedding.build()
        self.descriptor.build()
        self.head.build((None, None, self.descriptor.width))

    def set_statistics(self, data):
        """Normalize the environment matrix by its mean and spread in the data."""
        layer = self.descriptor
        shape = EnvMatShape(
            ntypes=self.ntypes,
            rcut=layer.rcut,
            rcut_smth=layer.rcut_smth,
            sel=(layer.sel,),
            mixed_types=True,
            exclude_types=(),
        )
        batches = (batch for _, batch in data.statistics_batches(10))
        statistics = input_statistics(batches, shape, set_davg_zero=False)
        layer.davg.assign(statistics.davg)
        layer.dstd.assign(statistics.dstd)

    def call(self, inputs):
        atype = inputs["atype"]
        environment = self.descriptor.environment(inputs["coord"], atype, inputs["box"])
        descriptor = self.descriptor(environment, atype, self.type_embedding.table())
        return tf.reduce_mean(self.head(descriptor)[:, :, 0], axis=1)


def pressure(inputs, labels):
    """From the labels of an energy model to the pressure in GPa."""
    volume = tf.abs(tf.linalg.det(tf.reshape(inputs["box"], [-1, 3, 3])))
    trace = tf.linalg.trace(tf.reshape(labels["virial"], [-1, 3, 3]))
    return inputs, tf.cast(EV_PER_A3 * trace / (3 * volume), tf.float32)


def main() -> None:
    keras.utils.set_random_seed(1)
    config = read_config("input.json")
    assert isinstance(config, Config)  # of one model
    type_map = config.model.type_map
    training = DataSet(config.training.training_data, type_map, labels=["virial"], seed=1)
    validation = DataSet(config.training.validation_data, type_map, labels=["virial"], seed=1)
    model = PressureModel(len(type_map))
    model.build()
    model.set_statistics(training)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-2, EPOCHS * STEPS)),
        loss="mse",
        metrics=[keras.metrics.RootMeanSquaredError(name="rmse")],
    )
    model.fit(
        make_dataset(training).map(pressure),
        shuffle=False,  # the data set draws frames at random itself
        epochs=EPOCHS,
        steps_per_epoch=STEPS,
        validation_data=make_dataset(validation).map(pressure),
        validation_steps=48,
        verbose=2,
    )


if __name__ == "__main__":
    main()
