"""What every job of a sweep imports, imported once: the process that jobs are forked from imports this module.

Nothing is computed here: TensorFlow's threads, memory, seeds and devices begin to exist at the first operation, which
is the job's.
"""

import sklearn.datasets

from ganfreeze import app
from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend import tfgan
from ganfreeze.record import mlflow_store

LOADED = (app, mlflow_store.library().MlflowClient, sklearn.datasets, tf.version, tfgan.losses)
