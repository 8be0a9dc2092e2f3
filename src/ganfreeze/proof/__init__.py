"""The proofs: what shows that frozen weights were held, and what shows that two variants are the same algorithm."""
