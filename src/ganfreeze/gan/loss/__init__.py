"""The losses of both networks, all TF-GAN's.

Each word is a file here.
"""
