"""The final answer of a path: found, undressed and compared, as far as text and numbers go."""
