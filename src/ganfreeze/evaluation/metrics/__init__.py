"""Arrays in, numbers out, one figure or family of figures a file. No TensorFlow, and no opinion on where features come
from. What takes long to import, scikit-learn and SciPy, is imported where it is used: a config is checked without."""
