"""Arrays in, numbers out, one figure or family of figures a file. No TensorFlow, and no opinion on where features come
from."""
