"""Files that DeePMD-kit and deepattn exchange, read and written as data, without TensorFlow."""
