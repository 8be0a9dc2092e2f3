"""Which of the discriminator's layers stay still in its own phase as well, one a file."""
