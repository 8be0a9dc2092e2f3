from ganfreeze.backend import tfgan


def test_all_of_tensorflow_probability_is_there_for_others():
    """TF-GAN is loaded without two of its parts, which come when they are first used."""
    assert tfgan.losses
    import tensorflow_probability

    assert tensorflow_probability.layers.DenseFlipout
    from tensorflow_probability.python.layers import DenseFlipout

    assert tensorflow_probability.layers.DenseFlipout is DenseFlipout
    assert tensorflow_probability.experimental.bayesopt
    assert tensorflow_probability.stats.covariance
