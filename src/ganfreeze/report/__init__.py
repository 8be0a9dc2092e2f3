"""What the recorded runs say: query (MLflow in) and render (pure)."""
