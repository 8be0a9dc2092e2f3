"""Code that the mechanisms share: phases, Keras trainers, tapes, many steps in one call, the choice of the fastest way.

The modules are, in this order: phases, keras_models, tapes, fused and tuning; then skipping and together, which wrap a
strategy.
"""
