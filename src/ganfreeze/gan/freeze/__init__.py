"""The layers of the discriminator that stay frozen even in the discriminator phase.

Each word is a file here.
"""
