"""Which models there are, and the one that is loaded. Without Gradio."""
