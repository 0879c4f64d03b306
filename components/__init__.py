"""The view: Gradio building blocks. Callbacks come in as arguments; no torch, no studio."""
