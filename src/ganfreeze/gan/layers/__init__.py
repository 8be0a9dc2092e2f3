"""Layers of either Keras, computed otherwise where a processor's libraries leave something to be had: the same but for
rounding, and under Keras' names. On a GPU, whose libraries were not measured, they are those of Keras."""
