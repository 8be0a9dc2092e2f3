"""Results as Markdown, CSV, text and plots: runs, certificates, the freeze matrix, the Dirac-GAN.

Records go in; text and plots come out. Only query, evidence, publish and search_record talk to MLflow. Nothing here
imports TensorFlow.
"""
