"""What keeps the game stable beside the loss, one a file."""
