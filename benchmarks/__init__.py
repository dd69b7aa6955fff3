"""Named workloads behind one command (`make bench`), each measured beside its floor. See README.md."""
