"""Training: from `train()` over the steps of `fit` to the files of a run."""
