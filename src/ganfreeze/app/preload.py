"""Import everything that a job of a sweep imports. The process that jobs are forked from imports this module.

Nothing is computed here: TensorFlow makes its threads, memory and devices at the first operation, which is the job's.
"""

import gc

import sklearn.datasets

from ganfreeze.app import evaluate, train
from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend import tfgan
from ganfreeze.record import mlflow_client

# Reading these attributes does the imports that are otherwise done late.
LOADED = (train, evaluate, sklearn.datasets, tf.version, tfgan.losses)
mlflow_client.load_whole_library()  # after TensorFlow, which it would import with its start-up messages

gc.freeze()  # a job's collector would search what was loaded here, and so copy the memory that it shares with others
