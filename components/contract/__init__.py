"""The values that studio and page exchange: plain data, without Gradio and without tensors."""
