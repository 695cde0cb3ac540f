"""The reward behind HTTP: bodies of each trainer in, records or numbers out, by aiohttp."""
