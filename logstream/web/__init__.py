"""Flask: who may come in, what they are shown, and the bytes to them."""
