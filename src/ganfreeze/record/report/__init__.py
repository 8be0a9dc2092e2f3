"""Results as Markdown, CSV, text and plots: runs, certificates, the freeze matrix, the Dirac-GAN.

Records go in; text and plots come out. Nothing here reads MLflow or imports TensorFlow.
"""
