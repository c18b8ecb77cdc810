"""How the weights of a training begin: statistics of the data, or a pretrained model."""
