"""Compare ways to hold a GAN's discriminator still while its generator learns, and measure whether it matters."""
