"""The lifetime of everything: settings, models, jobs, history, and the assembly of the page."""
