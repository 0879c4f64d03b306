"""A prompt, read once: words, tokens, weights and windows, and which of two prompts pair up."""
