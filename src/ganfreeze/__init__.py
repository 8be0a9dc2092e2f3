"""How should a GAN's discriminator be held still while its generator learns, and does it matter?"""
