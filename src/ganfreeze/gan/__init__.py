"""The GAN that is trained: both networks and their layers, and the average of the generator's weights.

The folders architecture, loss, regularizer, optimizer, schedule, update and freeze are config groups.
"""
