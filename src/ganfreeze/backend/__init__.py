"""The only modules that import TensorFlow, TF-GAN or Keras, and what they need to know about the machine.

The other rooms use `tensorflow`, `tfgan` and `keras` from here. `machine` and `job_shares` tell what cores, GPUs and
memory there are.
"""
