"""Runs inside DeePMD-kit's Python: command lines of ``dp`` on models with terms of type pairtab.

``python linear.py JOBS.json``, as ``commands.py``. DeePMD-kit 3.2.0 gives every model of a
combination the place of its cache of statistics, which PairTabModel, without statistics, does not
take; so the training of any such combination fails. Here it takes it.
"""

import sys

from commands import main
from deepmd.tf.model.pairtab import PairTabModel


def data_stat(self, data, stat_file_path=None):
    """Nothing, as in DeePMD-kit."""


if __name__ == "__main__":
    PairTabModel.data_stat = data_stat
    main(sys.argv[1])
