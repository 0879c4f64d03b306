import pipelines as pipelines  # first of all: it has a say in how torch's threads wait
