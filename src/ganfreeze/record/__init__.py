"""Events go in; records come out: MLflow runs, lines on the terminal, files and tables.

Finished runs are read back here too. Nothing here trains or measures.
"""
