"""The generator and the discriminator.

Each word is a file here.
"""
