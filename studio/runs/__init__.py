"""Jobs, and what a run leaves behind: frames, recipes, the history. Without Gradio."""
