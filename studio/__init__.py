"""The lifetime of everything: settings, models, jobs, history, and the assembly of the page."""

import pipelines as pipelines  # first of all: it has a say in how torch's threads wait
