"""What was recorded or measured: query (MLflow in), and tables, plots and text of it (pure)."""
