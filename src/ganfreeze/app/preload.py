"""Import everything that a job of a sweep imports. The process that jobs are forked from imports this module.

Nothing is computed here: TensorFlow makes its threads, memory and devices at the first operation, which is the job's.
"""

import sklearn.datasets

from ganfreeze.app import evaluate, train
from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend import tfgan
from ganfreeze.record import mlflow_client

# Reading these attributes does the imports that are otherwise done late.
LOADED = (train, evaluate, mlflow_client.library().MlflowClient, sklearn.datasets, tf.version, tfgan.losses)
