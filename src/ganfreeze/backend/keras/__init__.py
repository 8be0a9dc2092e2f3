"""The two Keras, side by side in one environment; nobody else imports a Keras."""
